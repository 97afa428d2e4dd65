//! S16: what a client was told is so: an answer is that of a committed entry, and whoever reads after it sees it,
//! at any controller.

use crate::reference::Reference;
use tidegate_scheduler::ids::RequestKey;
use tidegate_scheduler::{Outcome, Refusal, State};

/// Whether the request was not decided on: it is asked again.
pub(crate) fn is_undecided(answer: &Result<Outcome, Refusal>) -> bool {
    matches!(answer, Err(Refusal::NotLeader | Refusal::Uncertain | Refusal::Unavailable(_)))
}

/// What clients were told so far.
#[derive(Default)]
pub(crate) struct AcknowledgedIsVisible {
    /// Runs that a client was told are accepted, by name, with the entry.
    runs: Vec<(String, u64)>,
}

impl AcknowledgedIsVisible {
    /// A client is told what came of its request.
    pub(crate) fn told(
        &mut self,
        key: RequestKey,
        run: Option<&str>,
        answer: &Result<Outcome, Refusal>,
        reference: &Reference,
        found: &mut Vec<String>,
    ) {
        let known = reference.answers(key);
        match known.iter().find(|(_, agreed)| agreed == answer) {
            Some((index, _)) => {
                if let (Some(run), Ok(Outcome::Submitted { .. })) = (run, answer) {
                    self.runs.push((run.to_owned(), *index));
                }
            }
            None => found.push(format!(
                "S16 clients: a client was told {answer:?}, which no committed entry answered; its key was \
                 answered {known:?}"
            )),
        }
    }

    /// A read that began when `floor` was committed is answered by this state.
    pub(crate) fn read(
        &self,
        by: u64,
        floor: u64,
        state: &State,
        reference: &Reference,
        found: &mut Vec<String>,
    ) {
        if state.applied() < floor {
            found.push(format!(
                "S16 clients: a read at controller {by} shows entry {}, but entry {floor} was committed before it began",
                state.applied()
            ));
        }
        for (name, index) in self.runs.iter().rev().take(3).filter(|(_, index)| *index <= floor) {
            // It may have been forgotten since, by an entry that all agree on.
            let there = |state: &State| state.find_run("default", name).is_some();
            let agreed = reference.at(state.applied()).is_none_or(there);
            if agreed && !there(state) {
                found.push(format!(
                    "S16 clients: run {name} was accepted by entry {index} and a later read at {by} lacks it"
                ));
            }
        }
    }
}
