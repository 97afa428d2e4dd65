//! What is applied anywhere was synced by a majority of those who vote, at that moment; of both majorities while
//! membership changes.

use crate::controller::Controller;
use std::collections::BTreeMap;
use tidegate_scheduler::consensus::Members;

/// Whether a majority of each group of voters has the entry on its disk.
fn holds(controllers: &BTreeMap<u64, Controller>, members: &Members, index: u64, term: u64) -> bool {
    let majority = |voters: &[u64]| {
        let has = |id: &&u64| controllers.get(*id).is_some_and(|other| other.disk.holds(index, term));
        voters.is_empty() || voters.iter().filter(has).count() * 2 > voters.len()
    };
    majority(&members.voters) && majority(&members.outgoing)
}

/// Checks the first time that an entry is applied. A leader commits by those of whom it has applied that they vote:
/// `members` are the newest, and those just before it.
pub(crate) fn check(
    controllers: &BTreeMap<u64, Controller>,
    members: &[Members],
    (index, term): (u64, u64),
    found: &mut Vec<String>,
) {
    if !members.iter().any(|members| holds(controllers, members, index, term)) {
        let reach = controllers.iter().map(|(id, other)| format!("{id} up to {}", other.disk.last()));
        found.push(format!(
            "committed is durable: entry {index} of term {term} is applied, and no majority of {members:?} has it on disk: \
             {}",
            reach.collect::<Vec<_>>().join(", ")
        ));
    }
}
