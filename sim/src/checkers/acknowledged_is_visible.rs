//! S16: what a client was told is so: an answer is that of a committed entry, it is what the request did by the
//! clients' own account, and whoever reads after it sees it, at any controller.

use crate::reference::Reference;
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::ids::RequestKey;
use tidegate_scheduler::{Outcome, Refusal, State};

/// Whether the request was not decided on: it is asked again.
pub(crate) fn is_undecided(answer: &Result<Outcome, Refusal>) -> bool {
    matches!(answer, Err(Refusal::NotLeader | Refusal::Uncertain | Refusal::Unavailable(_)))
}

/// A client is told what came of its request.
pub(crate) fn told(
    key: RequestKey,
    command: &ClientCommand,
    answer: &Result<Outcome, Refusal>,
    reference: &Reference,
    found: &mut Vec<String>,
) {
    let known = reference.answers(key);
    if !known.iter().any(|(_, agreed)| agreed == answer) {
        found.push(format!(
            "S16 clients: a client was told {answer:?}, which no committed entry answered; its key was answered \
             {known:?}"
        ));
    }
    reference.requests().told(key, command, answer, found);
}

/// A read that began when `floor` was committed is answered by this state.
pub(crate) fn read(by: u64, floor: u64, state: &State, reference: &Reference, found: &mut Vec<String>) {
    if state.applied() < floor {
        found.push(format!(
            "S16 clients: a read at controller {by} shows entry {}, but entry {floor} was committed before it began",
            state.applied()
        ));
    }
    reference.requests().read(by, state, found);
}
