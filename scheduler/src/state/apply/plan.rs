//! What the planner decided, checked again: between its plan and this moment other entries may have landed.

use super::{Applying, State, Touched};
use crate::command::{PlanCommand, ReleaseReason};
use crate::event::{NodeChange, What};
use crate::ids::{Fence, NodeId, PoolId, RunId, Slot};
use crate::message::{Assignment, ToWorker};
use crate::mutants::{self, Mutant};
use crate::state::elements::{ElementState, Tries};
use crate::state::nodes::{Node, NodePhase};
use crate::state::runs::Attempt;

impl State {
    /// Whether the command still fitted.
    pub(super) fn apply_plan(&mut self, command: &PlanCommand, at: &mut Applying<'_>) -> bool {
        match command {
            PlanCommand::Start { slot, node } => self.start(*slot, *node, at).is_some(),
            PlanCommand::RequestNode { pool } => self.request_node(*pool, at).is_some(),
            PlanCommand::ReleaseNode { node, reason } => self.release_node(*node, *reason, at),
            PlanCommand::ForgetController { id } => self.forget_controller(*id, at),
            PlanCommand::Promote { runs } => self.promote(runs, at),
            PlanCommand::RaiseVersion { to } => self.raise_version(*to),
            PlanCommand::Forget { runs } => self.forget(runs, at),
        }
    }

    fn start(&mut self, slot: Slot, on: NodeId, at: &mut Applying<'_>) -> Option<()> {
        let run = self.runs.get(slot.run)?;
        let Some(ElementState::Waiting(_)) = run.elements.state(slot.element) else {
            return None;
        };
        let node = self.nodes.get(&on).filter(|node| node.pool == run.pool)?;
        if !node.is_ready() && !mutants::is(Mutant::StartAnywhere) {
            return None;
        }
        if run.startable() == 0 || self.workspaces.get(&run.workspace)?.room() == 0 {
            return None;
        }
        let (pool_id, capacity) = (node.pool, *self.pools.get(&node.pool)?.capacity());
        let resources = run.need.on(&capacity);
        let free = node.free.minus(&resources)?;
        let fence = at.fence();
        let workspace = self.workspaces.get_mut(&run.workspace)?;
        workspace.running += 1;
        if workspace.room() == 0 {
            // What its pools keep for what waits is kept for nothing now.
            at.touch(Touched::Workspace(run.workspace));
        }
        self.pools.get_mut(&pool_id)?.team_takes(run.team(), resources.dominant_part(&capacity), self.now);

        let node = self.nodes.get_mut(&on)?;
        node.free = free;
        node.attempts.insert(fence);
        node.since = self.now;
        let tries = self.runs.get_mut(slot.run)?.elements.place(slot.element, fence)?;
        let attempt = Attempt { slot, node: on, resources, tries, placed: self.now, stopping: None };
        self.attempts.insert(fence, attempt);
        at.touch(Touched::Run(slot.run));
        at.touch(Touched::Node(on));
        at.event(What::Started { slot, fence, node: on, attempt: tries.next_attempt() });
        if let Some(assignment) = self.assignment(fence) {
            at.send(on, ToWorker::Start(Box::new(assignment)));
        }
        Some(())
    }

    /// What a worker must know of an attempt.
    pub fn assignment(&self, fence: Fence) -> Option<Assignment> {
        let attempt = self.attempts.get(&fence)?;
        let run = self.runs.get(attempt.slot.run)?;
        let Tries { .. } = attempt.tries;
        Some(Assignment {
            fence,
            slot: attempt.slot,
            count: run.elements.count(),
            run: run.name.to_string(),
            workspace: self.workspace_name(run.workspace).to_owned(),
            attempt: attempt.tries.next_attempt(),
            resources: attempt.resources,
            body: run.digest,
            on_disconnect: run.on_disconnect,
            grace: run.grace,
        })
    }

    fn request_node(&mut self, pool_id: PoolId, at: &mut Applying<'_>) -> Option<()> {
        let pool = self.pools.get(&pool_id)?;
        let allowed = !pool.deleting && pool.nodes < pool.settings.max_instances && self.now >= pool.retry_at;
        let (account, capacity, now) = (pool.account(), *pool.capacity(), self.moment());
        let unlooked = mutants::is(Mutant::SkipQuotaCheck) || mutants::is(Mutant::IgnoreQuota);
        if !allowed || (!unlooked && self.quota.room(&account, capacity.vcpu.into(), now) == 0) {
            return None;
        }
        self.quota.grant(&account, capacity.vcpu.into(), now);
        self.pools.get_mut(&pool_id)?.nodes += 1;
        self.next_node += 1;
        let id = NodeId(self.next_node);
        self.nodes.insert(id, Node::requested(pool_id, capacity, self.now));
        at.touch(Touched::Node(id));
        at.changes.provision.push(id);
        self.tell_node(id, NodeChange::Requested, at);
        Some(())
    }

    fn release_node(&mut self, id: NodeId, reason: ReleaseReason, at: &mut Applying<'_>) -> bool {
        if reason == ReleaseReason::Stopped {
            self.lose_attempts(id, "its node was stopped", at);
        }
        let Some(node) = self.nodes.get(&id) else {
            return false;
        };
        if !node.attempts.is_empty() || node.phase == NodePhase::Leaving {
            return false;
        }
        self.set_phase(id, NodePhase::Leaving, at);
        at.send(id, ToWorker::Leave);
        if !mutants::is(Mutant::ForgetRelease) {
            at.changes.release.push(id);
        }
        self.tell_node(id, NodeChange::Released { reason }, at);
        true
    }

    fn promote(&mut self, runs: &[RunId], at: &mut Applying<'_>) -> bool {
        let mut any = false;
        for id in runs {
            let now = self.now;
            let Some(run) = self.runs.get_mut(*id) else { continue };
            let order = self.pools.get(&run.pool).map(|pool| pool.settings.order);
            if order.is_none_or(|order| run.rises_at(order) > now) {
                continue;
            }
            run.band = run.band.higher();
            let band = run.band;
            at.touch(Touched::Run(*id));
            at.event(What::Promoted { run: *id, band });
            any = true;
        }
        any
    }

    fn forget(&mut self, runs: &[RunId], at: &mut Applying<'_>) -> bool {
        let runs: Vec<RunId> = runs.iter().copied().filter(|run| self.runs.forget(*run).is_some()).collect();
        let any = !runs.is_empty();
        if any {
            runs.iter().for_each(|run| at.touch(Touched::Run(*run)));
            at.event(What::Forgotten { runs });
        }
        any
    }
}
