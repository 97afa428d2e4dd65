//! Who leads: as the cluster says when it is well, and as controllers have written it down, which tells more.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{ANSWER, Replicas};
use crate::wait;

/// How often logs are looked at.
const LOOK: Duration = Duration::from_millis(5);
/// A controller that lags by no more entries than this has caught up: the next ones are on their way.
const CAUGHT_UP: u64 = 50;

/// Who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leader {
    /// Its place among the replicas.
    pub at: usize,
    /// The term in which it leads.
    pub term: u64,
}

/// A controller began to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lead {
    /// The term.
    pub term: u64,
    /// Its place among the replicas.
    pub at: usize,
    /// The first entry of the term: whatever is fenced by later ones was decided in it.
    pub index: u64,
    /// When, by the controller's clock.
    pub when: SystemTime,
}

impl Replicas {
    /// Who leads, by the word of any that runs.
    ///
    /// # Errors
    /// Nobody knows in time.
    pub fn leader(&self) -> Result<Leader> {
        wait::until("a leader", || {
            let mut last = None;
            for at in self.running() {
                match self.leader_by(at) {
                    Ok(leader) => return Ok(Some(leader)),
                    Err(error) => last = Some(error),
                }
            }
            last.map_or(Ok(None), Err)
        })
    }

    /// Who leads, by the word of one.
    ///
    /// # Errors
    /// It does not know, or does not answer.
    pub fn leader_by(&self, at: usize) -> Result<Leader> {
        let status = self.status(at)?;
        let (id, term) = (status["controller"].as_u64(), status["term"].as_u64());
        let at = id.and_then(|id| self.place_of(id)).with_context(|| format!("no controller in {status}"))?;
        Ok(Leader { at, term: term.with_context(|| format!("no term in {status}"))? })
    }

    /// What the leader tells of the cluster when this one is asked.
    ///
    /// # Errors
    /// No answer comes.
    pub fn status(&self, at: usize) -> Result<Value> {
        self.caller(at).patience(ANSWER).get("/status")?.json()
    }

    /// Every beginning of a term that was written down, in the order of terms.
    ///
    /// # Errors
    /// A log has a line of another form.
    pub fn leads(&self) -> Result<Vec<Lead>> {
        let mut all = Vec::new();
        for at in 0..self.count() {
            let log = self.log(at);
            // A line is whole once the next one begins.
            let whole = log.rfind('\n').map_or("", |end| &log[..end]);
            let lines = whole.lines().filter(|line| line.contains("this controller leads"));
            for line in lines {
                all.push(lead(line, at).with_context(|| format!("controller {at} has logged {line:?}"))?);
            }
        }
        all.sort();
        Ok(all)
    }

    /// Waits until one leads in a term after this one.
    ///
    /// # Errors
    /// None does in time.
    pub fn wait_for_lead_after(&self, term: u64) -> Result<Lead> {
        wait::until_every(LOOK, wait::DEADLINE, &format!("a leader after term {term}"), || {
            Ok(self.leads()?.into_iter().find(|lead| lead.term > term))
        })
    }

    /// Waits until all that run are ready and have caught up with the leader, who is given.
    ///
    /// # Errors
    /// They are not in time; the error shows what is known of each.
    pub fn wait_for_all(&mut self) -> Result<Leader> {
        for at in self.running() {
            self.wait_until_ready(at)?;
        }
        let wanted: Vec<u64> = self.running().into_iter().map(|at| self.id(at)).collect();
        let mut last = Value::Null;
        let caught_up = wait::until_within(wait::DEADLINE * 2, "all controllers to catch up", || {
            let leader = self.leader()?;
            last = self.status(leader.at)?;
            let views = last["controllers"].as_array().context("a status has controllers")?;
            let well = |id: &u64| {
                let view = views.iter().find(|view| view["id"] == *id);
                view.is_some_and(|view| {
                    view["role"] != "joining"
                        && view["heard"] == true
                        && view["lag"].as_u64().is_some_and(|lag| lag <= CAUGHT_UP)
                })
            };
            Ok(wanted.iter().all(well).then_some(leader))
        });
        caught_up.with_context(|| format!("last seen: {last}"))
    }

    /// The end of a story in which all went well: demands that no term has two leaders, by what they have written down,
    /// and leaves the logs unprinted.
    ///
    /// # Errors
    /// One has.
    pub fn finish(mut self) -> Result<()> {
        let leads = self.leads()?;
        for pair in leads.windows(2) {
            ensure!(pair[0].term != pair[1].term, "a term has two leaders: {pair:?}");
            ensure!(pair[0].index < pair[1].index, "a later term begins earlier in the log: {pair:?}");
        }
        self.finished = true;
        Ok(())
    }

    fn place_of(&self, id: u64) -> Option<usize> {
        (0..self.count()).find(|at| self.id(*at) == id)
    }
}

/// `TIME INFO MODULE: this controller leads term=3 index=17`.
fn lead(line: &str, at: usize) -> Result<Lead> {
    let number = |key: &str| {
        let word = line.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        word.and_then(|number| number.parse().ok()).with_context(|| format!("no {key}"))
    };
    let time = line.split(' ').next().context("no time")?;
    let when = OffsetDateTime::parse(time, &Rfc3339).with_context(|| format!("no time in {time}"))?;
    Ok(Lead { term: number("term")?, at, index: number("index")?, when: when.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_log_tells_who_leads_since_when() {
        let line = "2026-11-22T03:02:04.750324Z  INFO tidegate_controller::dispatch: this controller leads term=3 index=17";
        let read = lead(line, 2).unwrap();
        assert_eq!((read.term, read.at, read.index), (3, 2, 17));
        let since = read.when.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since.subsec_micros(), 750_324);
        assert!(lead("this controller leads term=3", 0).is_err());
    }
}
