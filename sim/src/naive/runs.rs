//! Which elements may start, and in what order, by walks over them.

use std::cmp::Reverse;
use tidegate_scheduler::State;
use tidegate_scheduler::command::{PoolSettings, QueueOrder};
use tidegate_scheduler::event::Ending;
use tidegate_scheduler::ids::{RunId, WorkspaceId};
use tidegate_scheduler::state::elements::ElementState;
use tidegate_scheduler::state::runs::Run;

/// How many elements of a run are in the queue, and how many on a node.
pub(crate) fn waiting_and_placed(run: &Run) -> (u32, u32) {
    let (mut waiting, mut placed) = (0, 0);
    for element in 0..run.elements.count() {
        match run.elements.state(element) {
            Some(ElementState::Waiting(_)) => waiting += 1,
            Some(ElementState::Placed(_)) => placed += 1,
            Some(ElementState::Ended(_)) | None => {}
        }
    }
    (waiting, placed)
}

/// How many elements of a run may start, for all that it says itself.
pub(crate) fn startable(run: &Run) -> u32 {
    if run.pending > 0 || run.ended.is_some() {
        return 0;
    }
    let (waiting, placed) = waiting_and_placed(run);
    match run.terms.as_ref().and_then(|terms| terms.max_concurrent) {
        Some(most) if most <= placed => 0,
        Some(most) => waiting.min(most - placed),
        None => waiting,
    }
}

/// How a run ended, by its elements; `None` while one of them has not.
pub(crate) fn ending(run: &Run) -> Option<Ending> {
    let mut worst = Ending::Completed;
    for element in 0..run.elements.count() {
        let Some(ElementState::Ended(ending)) = run.elements.state(element) else { return None };
        worst = match (worst, ending) {
            (Ending::Failed, _) | (_, Ending::Failed) => Ending::Failed,
            (Ending::Canceled, _) | (_, Ending::Canceled) => Ending::Canceled,
            (Ending::Completed, Ending::Completed) => Ending::Completed,
        };
    }
    Some(worst)
}

/// How many elements of a workspace are on nodes.
pub(crate) fn running(state: &State, workspace: WorkspaceId) -> u32 {
    let of_it = |run: RunId| state.run(run).is_some_and(|run| run.workspace == workspace);
    state.attempts().filter(|(_, attempt)| of_it(attempt.slot.run)).count() as u32
}

/// How many elements more a workspace may run.
pub(crate) fn room(state: &State, workspace: WorkspaceId) -> u32 {
    let limit = state.workspace_of(workspace).and_then(|workspace| workspace.limits.max_running);
    limit.map_or(u32::MAX, |most| most.saturating_sub(running(state, workspace)))
}

/// A run's place among those of its team, or among all where the order is strict: smaller goes first.
pub(crate) fn place(pool: &PoolSettings, id: RunId, run: &Run) -> (Reverse<u8>, i128, RunId) {
    let priority = i128::from(run.priority);
    match pool.order {
        // Six minutes of waiting are worth a point.
        QueueOrder::Fair => {
            (Reverse(run.band as u8), i128::from(run.queued.0) - priority * 6 * 60 * 1000, id)
        }
        QueueOrder::Strict => (Reverse(0), -priority, id),
    }
}
