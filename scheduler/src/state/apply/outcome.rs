//! What an attempt's end means for its element and its run.

use super::{Applying, State, Touched};
use crate::event::{Ending, What};
use crate::ids::{Fence, RunId};
use crate::limits::agreed;
use crate::message::{End, Report, StopCause, ToWorker};
use crate::mutants::{self, Mutant};
use crate::state::elements::Tries;
use crate::state::runs::{Attempt, Run};

/// What becomes of an element whose attempt ended.
enum Verdict {
    Over(Ending),
    Again(Tries),
}

/// Failures of the system queue it again, a few times; failures of the program follow the run's retries.
fn verdict(run: &Run, attempt: &Attempt, end: &End) -> Verdict {
    let canceled = (run.cancel_requested || attempt.stopping == Some(StopCause::Canceled))
        && !mutants::is(Mutant::RequeueCanceled);
    let Tries { user, system } = attempt.tries;
    match end {
        End::Succeeded => Verdict::Over(Ending::Completed),
        _ if canceled => Verdict::Over(Ending::Canceled),
        End::Stopped | End::System { .. } if system + 1 < agreed::SYSTEM_TRIES => {
            Verdict::Again(Tries { user, system: system + 1 })
        }
        End::Stopped | End::System { .. } => Verdict::Over(Ending::Failed),
        End::Exited { .. } | End::Signaled { .. } | End::TimedOut
            if user < run.retries || mutants::is(Mutant::RetryForever) =>
        {
            Verdict::Again(Tries { user: user.saturating_add(1), system })
        }
        End::Exited { .. } | End::Signaled { .. } | End::TimedOut | End::CannotStart { .. } => {
            Verdict::Over(Ending::Failed)
        }
    }
}

impl State {
    /// Accepts the end of an attempt: the only place where an element gets a result.
    pub(super) fn settle(&mut self, report: &Report, at: &mut Applying<'_>) {
        let Some(attempt) = self.take_attempt(report.fence, at) else {
            return;
        };
        let slot = attempt.slot;
        let Some(run) = self.runs.get_mut(slot.run) else {
            return;
        };
        match verdict(run, &attempt, &report.end) {
            Verdict::Over(ending) => {
                run.elements.end(slot.element, ending);
                let attempts = attempt.tries.next_attempt();
                let report = Box::new(report.clone());
                at.event(What::Ended { slot, node: attempt.node, attempt: attempts, ending, report });
            }
            Verdict::Again(tries) => {
                run.elements.requeue(slot.element, tries);
                let reason = report.end.to_string();
                let fence = report.fence;
                at.event(What::Requeued { slot, fence, reason, report: Some(Box::new(report.clone())) });
            }
        }
        at.touch(Touched::Run(slot.run));
        self.close_if_over(slot.run, at);
    }

    /// Nothing more will be heard of an attempt.
    pub(super) fn attempt_lost(&mut self, fence: Fence, reason: &str, at: &mut Applying<'_>) {
        let Some(attempt) = self.take_attempt(fence, at) else {
            return;
        };
        let slot = attempt.slot;
        let Some(run) = self.runs.get_mut(slot.run) else {
            return;
        };
        match verdict(run, &attempt, &End::System { reason: reason.to_owned() }) {
            Verdict::Over(Ending::Canceled) => {
                run.elements.end(slot.element, Ending::Canceled);
                at.event(What::Canceled { run: slot.run, from: slot.element, to: slot.element + 1 });
            }
            Verdict::Over(ending) => {
                run.elements.end(slot.element, ending);
                at.event(What::Abandoned { slot, reason: reason.to_owned() });
            }
            Verdict::Again(_) if mutants::is(Mutant::LoseElement) => {}
            Verdict::Again(tries) => {
                run.elements.requeue(slot.element, tries);
                at.event(What::Requeued { slot, fence, reason: reason.to_owned(), report: None });
            }
        }
        at.touch(Touched::Run(slot.run));
        self.close_if_over(slot.run, at);
    }

    /// Ends an attempt's hold on its node. What reports under this number later is superseded.
    fn take_attempt(&mut self, fence: Fence, at: &mut Applying<'_>) -> Option<Attempt> {
        let attempt = self.attempts.remove(&fence)?;
        self.give_back(&attempt, at);
        if let Some(node) = self.nodes.get_mut(&attempt.node) {
            if !mutants::is(Mutant::LeakCapacity) {
                node.free = node.free.plus(&attempt.resources);
            }
            node.attempts.remove(&fence);
            node.since = self.now;
            if !mutants::is(Mutant::IndexForgetsNode) {
                at.touch(Touched::Node(attempt.node));
            }
        }
        Some(attempt)
    }

    /// What an attempt counted in its workspace and for its team.
    fn give_back(&mut self, attempt: &Attempt, at: &mut Applying<'_>) {
        let Some(run) = self.runs.get(attempt.slot.run) else { return };
        if let Some(workspace) = self.workspaces.get_mut(&run.workspace) {
            workspace.running -= u32::from(!mutants::is(Mutant::KeepRunning));
            if workspace.limits.max_running.is_some() {
                at.touch(Touched::Workspace(run.workspace));
            }
        }
        let pool = self.nodes.get(&attempt.node).map(|node| node.pool);
        if let Some(pool) = pool.and_then(|pool| self.pools.get_mut(&pool))
            && !mutants::is(Mutant::KeepTeamUse)
        {
            let part = attempt.resources.dominant_part(pool.capacity());
            pool.team_gives(run.team(), part, self.now);
        }
    }

    /// Whether this was the first time that somebody asked.
    pub(super) fn ask_to_stop(&mut self, fence: Fence, cause: StopCause, at: &mut Applying<'_>) -> bool {
        let Some(attempt) = self.attempts.get_mut(&fence) else {
            return false;
        };
        let first = attempt.stopping.is_none();
        attempt.stopping.get_or_insert(cause);
        let node = attempt.node;
        at.send(node, ToWorker::Stop { fence, cause });
        first
    }

    pub(super) fn close_if_over(&mut self, id: RunId, at: &mut Applying<'_>) {
        let Some(run) = self.runs.get(id).filter(|run| run.ended.is_none()) else {
            return;
        };
        let Some(ending) = run.elements.ending() else {
            return;
        };
        let (pool, workspace) = (run.pool, run.workspace);
        self.stop_waiting(id);
        if let Some(workspace) = self.workspaces.get_mut(&workspace) {
            workspace.open -= 1;
        }
        at.changes.closed.push(id);
        self.runs.set_ended(id, Some(self.now));
        if let Some(pool) = self.pools.get_mut(&pool) {
            pool.open_runs -= 1;
        }
        at.event(What::RunEnded { run: id, ending });
        self.drop_pool_if_empty(pool, at);
    }
}
