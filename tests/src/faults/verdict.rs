//! What the clients were told, compared with what the servers say in the end and with what was executed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::client_model::{ClientModel, Submission};
use crate::{Caller, Executions, wait};

const COMPLETED: &str = "Completed";

/// How often an element may have been executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Once: no worker was lost, so nothing was to be tried again.
    Once,
    /// Once an attempt, and one attempt is the result: workers were lost or out of sight.
    OneResult,
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Runs that were submitted.
    pub submitted: usize,
    /// Those that were acknowledged.
    pub acknowledged: usize,
    /// Commands that were started, counted outside of the servers.
    pub executions: usize,
    /// The longest time from the first request for a run to its acknowledgement, or to where it was given up.
    pub longest_wait: Duration,
    /// The longest time without any acknowledgement while a client asked for one.
    pub longest_silence: Duration,
    /// Everything that is not as it should be.
    pub wrong: Vec<String>,
}

impl Verdict {
    /// Demands that nothing is wrong, something was acknowledged, and nothing waited for longer than this.
    ///
    /// # Errors
    /// It is not so; the error tells all that is wrong.
    pub fn holds(&self, longest_wait: Duration) -> Result<()> {
        let mut wrong = self.wrong.clone();
        if self.acknowledged == 0 {
            wrong.push("nothing was acknowledged at all".to_owned());
        }
        if self.longest_wait > longest_wait {
            wrong.push(format!("a submission waited {:?}, longer than {longest_wait:?}", self.longest_wait));
        }
        if !wrong.is_empty() {
            let (shown, all) = (wrong.len().min(50), wrong.len());
            bail!(
                "{all} things are wrong, of {} submissions:\n{}",
                self.submitted,
                wrong[..shown].join("\n")
            );
        }
        Ok(())
    }
}

impl ClientModel {
    /// Waits until every acknowledged run is over, whatever its end.
    ///
    /// # Errors
    /// They are not in time; the error tells which.
    pub fn wait_for_all(&self, caller: &Caller, within: Duration) -> Result<()> {
        let names: Vec<String> = self.acknowledged_runs().into_iter().map(|run| run.name).collect();
        let mut open = Vec::new();
        let ended = wait::until_within(within, "all acknowledged runs to end", || {
            let states = states(caller)?;
            let over = |name: &&String| states.get(*name).is_some_and(|state| is_over(state));
            open = names.iter().filter(|name| !over(name)).cloned().collect();
            Ok(open.is_empty().then_some(()))
        });
        ended.with_context(|| format!("{} still open: {:?}", open.len(), &open[..open.len().min(20)]))
    }

    /// Compares what is remembered with what this server says, and with what was executed. To be asked when all is healed
    /// and over: see [`ClientModel::wait_for_all`].
    ///
    /// # Errors
    /// The server does not answer; what is wrong is in the verdict.
    pub fn verdict(&self, caller: &Caller, demand: Demand) -> Result<Verdict> {
        let submissions = self.submissions();
        let states = states(caller)?;
        let mut wrong = self.found_wrong();
        let submitted: BTreeSet<&str> = submissions.iter().map(|one| one.name.as_str()).collect();
        let ours = format!("{}-", self.prefix());
        let strangers =
            states.keys().filter(|name| name.starts_with(&ours) && !submitted.contains(name.as_str()));
        wrong.extend(strangers.map(|name| format!("{name} is there, and nobody has submitted it")));
        let mut executions = 0;
        for submission in &submissions {
            let name = &submission.name;
            let state = states.get(name).map(String::as_str);
            wrong.extend(wrong_state(submission, state));
            for element in 0..submission.elements {
                let executed = self.tally().of(name, element)?;
                let recorded = match state {
                    Some(_) => caller.attempts(name, element).unwrap_or_else(|error| {
                        wrong.push(format!("{name} element {element} cannot be read: {error:#}"));
                        Vec::new()
                    }),
                    None => Vec::new(),
                };
                let found = wrong_element(&executed, &recorded, state, demand);
                wrong.extend(found.into_iter().map(|what| {
                    let recorded = Value::from(recorded.clone());
                    format!("{name} element {element} {what}: executed {executed:?}, recorded {recorded}")
                }));
                executions += executed.started.len();
            }
        }
        Ok(Verdict {
            submitted: submissions.len(),
            acknowledged: self.acknowledged(),
            executions,
            longest_wait: submissions.iter().map(Submission::waited).max().unwrap_or_default(),
            longest_silence: longest_silence(&submissions),
            wrong,
        })
    }

    fn acknowledged_runs(&self) -> Vec<Submission> {
        self.submissions().into_iter().filter(|one| one.acknowledged().is_some()).collect()
    }
}

/// What is wrong with where a run stands.
fn wrong_state(submission: &Submission, state: Option<&str>) -> Option<String> {
    let name = &submission.name;
    match (state, submission.acknowledged()) {
        (Some(COMPLETED), _) => None,
        (None, Some(_)) => Some(format!("{name} was acknowledged, and is lost")),
        (Some(state), Some(_)) => Some(format!("{name} was acknowledged, and is {state}")),
        (Some(state), None) if is_over(state) => Some(format!("{name} is {state}")),
        // Nobody was promised anything.
        (_, None) => None,
    }
}

/// What is wrong with how an element was executed, and with what is recorded of that.
fn wrong_element(
    executed: &Executions,
    recorded: &[Value],
    state: Option<&str>,
    demand: Demand,
) -> Vec<String> {
    let number = |attempt: &Value| attempt["attempt"].as_u64();
    let known: BTreeSet<u64> = recorded.iter().filter_map(number).collect();
    let completed = recorded.iter().filter(|attempt| attempt["state"] == COMPLETED);
    let results: Vec<u64> = completed.filter_map(number).collect();
    let mut wrong = Vec::new();
    let mut started = BTreeSet::new();
    for attempt in executed.started.iter().map(|attempt| u64::from(*attempt)) {
        if !started.insert(attempt) {
            wrong.push(format!("executed attempt {attempt} more than once"));
        }
        if !known.contains(&attempt) {
            wrong.push(format!("executed attempt {attempt}, which nobody knows"));
        }
    }
    for result in &results {
        if executed.ended.iter().filter(|ended| u64::from(**ended) == *result).count() != 1 {
            wrong.push(format!("has the result of attempt {result}, which did not come to its end once"));
        }
    }
    if state == Some(COMPLETED) {
        if results.len() != 1 {
            wrong.push(format!("has {} results", results.len()));
        }
        if demand == Demand::Once && (executed.started != [1] || executed.ended != [1] || known.len() != 1) {
            wrong.push("was not executed once".to_owned());
        }
    }
    wrong
}

/// Every run that a server knows, with its state.
fn states(caller: &Caller) -> Result<BTreeMap<String, String>> {
    let runs = caller.list("/runs")?;
    let of = |run: &Value| Some((run["name"].as_str()?.to_owned(), run["state"].as_str()?.to_owned()));
    runs.iter().map(|run| of(run).with_context(|| format!("{run} has a name and a state"))).collect()
}

fn is_over(state: &str) -> bool {
    [COMPLETED, "Failed", "Canceled"].contains(&state)
}

/// The longest time in which a client asked all the time, and none was acknowledged.
fn longest_silence(submissions: &[Submission]) -> Duration {
    let mut asked: Vec<(Duration, Duration, bool)> = submissions
        .iter()
        .filter_map(|one| {
            Some((one.tries.last()?.until, one.tries.first()?.at, one.acknowledged().is_some()))
        })
        .collect();
    asked.sort();
    // Who asked at some time and went on at least until another one's end: from when the first of these did.
    let mut first = Duration::MAX;
    for (_, from, _) in asked.iter_mut().rev() {
        first = first.min(*from);
        *from = first;
    }
    let (mut longest, mut last) = (Duration::ZERO, Duration::ZERO);
    // Since when and until when somebody asked in vain and gave up.
    let mut in_vain: Option<(Duration, Duration)> = None;
    for (until, from, acknowledged) in asked {
        let since = match in_vain {
            Some((since, gave_up)) if from <= gave_up => since,
            _ => last.max(from),
        };
        longest = longest.max(until.saturating_sub(since));
        if acknowledged {
            last = until;
        }
        in_vain = (!acknowledged).then_some((since, until));
    }
    longest
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
