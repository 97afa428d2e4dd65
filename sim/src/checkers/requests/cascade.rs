//! What the end of runs does to those that wait for them: let go, or cancelled, and so on in turn.

use crate::naive::runs::ending;
use std::collections::BTreeSet;
use tidegate_scheduler::State;
use tidegate_scheduler::command::DependsOn;
use tidegate_scheduler::event::Ending;
use tidegate_scheduler::ids::{RunId, Slot};
use tidegate_scheduler::state::elements::ElementState;
use tidegate_scheduler::state::runs::Run;

/// The runs that wait for one of these, or for one that does.
pub(super) fn behind(state: &State, ended: impl Iterator<Item = RunId>) -> BTreeSet<RunId> {
    let mut ended: BTreeSet<RunId> = ended.collect();
    let mut behind = BTreeSet::new();
    // A run is submitted after those that it waits for.
    for (id, run) in state.runs().iter().filter(|(_, run)| run.pending > 0) {
        if conditions(run).any(|(first, _)| ended.contains(&first)) {
            ended.insert(id);
            behind.insert(id);
        }
    }
    behind
}

fn conditions(run: &Run) -> impl Iterator<Item = (RunId, DependsOn)> + '_ {
    run.terms.iter().flat_map(|terms| terms.after.iter().copied())
}

/// Whether a run that this one was to start after has ended otherwise than it must.
pub(super) fn is_in_vain(state: &State, run: &Run) -> bool {
    is_unmet(state, conditions(run))
}

/// Whether one of these has ended otherwise than it must.
pub(super) fn is_unmet(state: &State, mut conditions: impl Iterator<Item = (RunId, DependsOn)>) -> bool {
    conditions.any(|(id, on)| {
        let ending = state.run(id).and_then(ending);
        ending.is_some_and(|ending| match on {
            DependsOn::Ended => false,
            DependsOn::Completed => ending != Ending::Completed,
            DependsOn::Failed => ending == Ending::Completed,
        })
    })
}

/// A run that may have been let go, or cancelled because it waited in vain: nothing else happened to it.
pub(super) fn follows(id: RunId, before: &State, after: &State) -> Result<(), String> {
    let (Some(was), Some(is)) = (before.run(id), after.run(id)) else {
        return Err(format!("{id} waited for another run, and is gone"));
    };
    let canceled = |element| {
        let slot = Slot { run: id, element };
        let waited = matches!(before.element(slot), Some(ElementState::Waiting(_)));
        waited && after.element(slot) == Some(ElementState::Ended(Ending::Canceled))
    };
    let same = |element| {
        let slot = Slot { run: id, element };
        before.element(slot) == after.element(slot)
    };
    let all = 0..was.elements.count();
    let right = match is.ended {
        Some(_) => is_in_vain(after, is) && all.clone().all(|element| canceled(element) || same(element)),
        None => is.pending <= was.pending && all.clone().all(same) && !is_in_vain(after, is),
    };
    match right {
        true => Ok(()),
        false => Err(format!("{id} waited for another run, and went from {was:?} to {is:?}")),
    }
}
