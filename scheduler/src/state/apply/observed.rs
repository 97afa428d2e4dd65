//! What workers, providers and the leader's watch saw.

use super::{Applying, State, Touched};
use crate::command::Observation;
use crate::event::{NodeChange, What};
use crate::ids::{Fence, NodeId, PoolId};
use crate::message::{Report, ToWorker};
use crate::mutants::{self, Mutant};
use crate::state::nodes::NodePhase;

impl State {
    pub(super) fn apply_observed(&mut self, observation: &Observation, at: &mut Applying<'_>) {
        match observation {
            Observation::ControllerSeen { id, card } => self.controller_seen(*id, card, at),
            Observation::NodeBooting { node } => {
                if self.nodes.get(node).is_some_and(|node| node.phase == NodePhase::Requested) {
                    self.set_phase(*node, NodePhase::Booting, at);
                }
            }
            Observation::NodeReady { node, incarnation } => self.node_ready(*node, *incarnation, at),
            Observation::NodeFailed { node, reason } => self.node_failed(*node, reason, at),
            Observation::NodeLost { node } => self.node_lost(*node, at),
            Observation::NodeGone { node } => self.node_gone(*node, at),
            Observation::Ended { node, report } => self.attempt_ended(*node, report, at),
            Observation::AttemptLost { fence } => {
                self.attempt_lost(*fence, "its worker no longer knows of it", at);
            }
        }
    }

    fn node_ready(&mut self, id: NodeId, incarnation: u64, at: &mut Applying<'_>) {
        let Some(node) = self.nodes.get(&id) else { return };
        match node.phase {
            NodePhase::Requested | NodePhase::Booting => {
                let pool = node.pool;
                self.set_phase(id, NodePhase::Ready, at);
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.incarnation = incarnation;
                }
                if let Some(pool) = self.pools.get_mut(&pool) {
                    pool.boot_succeeded();
                }
                at.touch(Touched::Pool(pool));
                self.tell_node(id, NodeChange::Ready, at);
            }
            NodePhase::Ready if node.incarnation != incarnation => {
                self.lose_attempts(id, "its node was made anew", at);
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.incarnation = incarnation;
                }
            }
            NodePhase::Ready | NodePhase::Unusable { .. } | NodePhase::Leaving => {}
        }
    }

    fn node_failed(&mut self, id: NodeId, reason: &str, at: &mut Applying<'_>) {
        let Some(node) = self.nodes.get(&id) else { return };
        if matches!(node.phase, NodePhase::Unusable { .. } | NodePhase::Leaving) {
            return;
        }
        let (pool, now) = (node.pool, self.now);
        if node.is_coming() {
            if let Some(pool) = self.pools.get_mut(&pool) {
                pool.boot_failed(now, reason.to_owned());
            }
            at.touch(Touched::Pool(pool));
        }
        self.lose_attempts(id, &format!("its node failed: {reason}"), at);
        self.set_phase(id, NodePhase::Unusable { reason: reason.to_owned() }, at);
        self.tell_node(id, NodeChange::Failed { reason: reason.to_owned() }, at);
    }

    fn node_lost(&mut self, id: NodeId, at: &mut Applying<'_>) {
        if !self.nodes.get(&id).is_some_and(|node| node.is_ready()) {
            return;
        }
        self.lose_attempts(id, "its node was silent for too long", at);
        self.set_phase(id, NodePhase::Unusable { reason: "silent for too long".into() }, at);
        self.tell_node(id, NodeChange::Lost, at);
    }

    fn node_gone(&mut self, id: NodeId, at: &mut Applying<'_>) {
        let Some(node) = self.nodes.get(&id) else { return };
        let (pool_id, stage, now) = (node.pool, node.stage(), self.moment());
        self.lose_attempts(id, "its node is gone", at);
        self.tell_node(id, NodeChange::Gone, at);
        self.nodes.remove(&id);
        if let Some(pool) = self.pools.get_mut(&pool_id) {
            pool.nodes -= 1;
            let (account, vcpu) = (pool.account(), pool.capacity().vcpu);
            if !mutants::is(Mutant::SkipRefund) {
                self.quota.refund(&account, stage, vcpu.into(), now);
            }
            at.touch(Touched::Quota);
        }
        at.touch(Touched::Node(id));
        at.touch(Touched::Pool(pool_id));
        self.drop_pool_if_empty(pool_id, at);
    }

    fn attempt_ended(&mut self, node: NodeId, report: &Report, at: &mut Applying<'_>) {
        // Superseded or accepted before: the worker may forget it either way.
        at.send(node, ToWorker::Acknowledge { fence: report.fence });
        if self.attempts.get(&report.fence).is_some_and(|attempt| attempt.node == node) {
            self.settle(report, at);
        } else if mutants::is(Mutant::DropFence)
            && let Some(fence) = self.nodes.get(&node).and_then(|node| node.attempts.first().copied())
        {
            self.settle(&Report { fence, ..report.clone() }, at);
        }
    }

    pub(super) fn lose_attempts(&mut self, node: NodeId, reason: &str, at: &mut Applying<'_>) {
        let fences: Vec<Fence> =
            self.nodes.get(&node).map(|node| node.attempts.iter().copied().collect()).unwrap_or_default();
        for fence in fences {
            self.attempt_lost(fence, reason, at);
        }
    }

    /// Moves a node on, and its vCPU in the ledger with it.
    pub(super) fn set_phase(&mut self, id: NodeId, phase: NodePhase, at: &mut Applying<'_>) {
        let now = self.moment();
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let before = node.stage();
        node.phase = phase;
        node.since = self.now;
        let after = node.stage();
        if let Some(pool) = self.pools.get(&node.pool).filter(|_| before != after) {
            let (account, vcpu) = (pool.account(), u64::from(pool.capacity().vcpu));
            self.quota.refund(&account, before, vcpu, now);
            if !mutants::is(Mutant::LoseCharge) {
                self.quota.charge(&account, after, vcpu, now);
            }
        }
        at.touch(Touched::Node(id));
    }

    pub(super) fn tell_node(&self, node: NodeId, change: NodeChange, at: &mut Applying<'_>) {
        let pool = self.nodes.get(&node).and_then(|node| self.pools.get(&node.pool));
        let pool = pool.map(|pool| pool.settings.name.clone()).unwrap_or_default();
        at.event(What::Node { node, pool, change });
    }

    pub(super) fn drop_pool_if_empty(&mut self, id: PoolId, at: &mut Applying<'_>) {
        let Some(pool) = self.pools.get(&id) else { return };
        if pool.deleting && pool.nodes == 0 && pool.open_runs == 0 {
            let settings = pool.settings.clone();
            self.pools.remove(&id);
            at.touch(Touched::Pool(id));
            at.event(What::PoolDeleted { workspace: settings.workspace, pool: settings.name });
        }
    }
}
