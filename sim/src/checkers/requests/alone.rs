//! The states before and after each client's request of an entry, which says only what all of its commands did.

use tidegate_scheduler::State;
use tidegate_scheduler::command::{Command, Entry, Observation};
use tidegate_scheduler::ids::NodeId;

/// A command that changes nothing: such a node there never is.
const NOTHING: Command = Command::Observed(Observation::NodeBooting { node: NodeId(u64::MAX) });

/// Whether a client asked for it.
pub(super) fn is_asked(command: &Command) -> bool {
    matches!(command, Command::Client { .. })
}

/// The positions of requests, each with the state before it and the state after it. What comes later in the entry
/// is left out by commands that change nothing: what one changes depends on its place.
pub(super) fn each(index: u64, entry: &Entry, before: &State) -> Vec<(usize, State, State)> {
    let up_to = |end: usize| {
        let kept = entry.commands.iter().take(end).cloned();
        let commands = kept.chain(std::iter::repeat_n(NOTHING, entry.commands.len() - end)).collect();
        let mut state = before.fork();
        state.apply(index, &Entry { now: entry.now, wall: entry.wall, commands });
        state
    };
    let mut last: Option<(usize, State)> = None;
    let mut each = Vec::new();
    for position in (0..entry.commands.len()).filter(|at| is_asked(&entry.commands[*at])) {
        let earlier = match last.take() {
            Some((end, state)) if end == position => state,
            _ => up_to(position),
        };
        let later = up_to(position + 1);
        last = Some((position + 1, later.fork()));
        each.push((position, earlier, later));
    }
    each
}
