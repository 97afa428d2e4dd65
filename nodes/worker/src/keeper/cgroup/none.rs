//! No cgroups: no limit is enforced, and the processes of a run are found by session, descent and environment
//! ([`super::super::orphans`]).

use super::Confinement;

/// Stands for the group that a slot does not have.
#[derive(Debug)]
pub(in super::super) struct Group;

/// Nothing is enforced, for these reasons.
pub(super) fn confinement(mut notes: Vec<String>) -> Confinement {
    if notes.is_empty() {
        notes.push("this machine has no cgroup controllers for memory, cpu and pids".to_owned());
    }
    notes.push("limits on memory, cpu and processes are not enforced".to_owned());
    Confinement { mechanism: "none".to_owned(), notes, ..Confinement::default() }
}
