//! A full walk over the state: every cross-reference and every sum. For tests and the simulator.

use super::State;
use crate::ids::{NodeId, PoolId, RunId};
use crate::state::elements::ElementState;
use crate::state::quota::Quota;
use std::collections::BTreeMap;

impl State {
    /// Every promise that does not hold, in words; empty when all do.
    pub fn check(&self) -> Vec<String> {
        let mut broken = Vec::new();
        self.check_attempts(&mut broken);
        self.check_nodes(&mut broken);
        self.check_runs(&mut broken);
        self.check_quota(&mut broken);
        self.check_workspaces(&mut broken);
        self.check_teams(&mut broken);
        self.check_dependents(&mut broken);
        broken
    }

    fn check_attempts(&self, broken: &mut Vec<String>) {
        for (fence, attempt) in self.attempts.iter() {
            if self.element(attempt.slot) != Some(ElementState::Placed(fence)) {
                broken.push(format!("attempt {fence} is not what {:?} says of itself", attempt.slot));
            }
            if !self.nodes.get(&attempt.node).is_some_and(|node| node.attempts.contains(&fence)) {
                broken.push(format!("attempt {fence} is on {} which does not list it", attempt.node));
            }
        }
        let placed: usize = self.runs.iter().map(|(_, run)| run.elements.placed().count()).sum();
        if placed != self.attempts.len() {
            broken
                .push(format!("{placed} elements are placed but there are {} attempts", self.attempts.len()));
        }
    }

    fn check_nodes(&self, broken: &mut Vec<String>) {
        let mut per_pool: BTreeMap<_, u32> = BTreeMap::new();
        for (id, node) in self.nodes.iter() {
            *per_pool.entry(node.pool).or_default() += 1;
            self.check_node(id, broken);
        }
        for (id, pool) in self.pools.iter() {
            if pool.nodes != per_pool.remove(&id).unwrap_or_default() {
                broken.push(format!("{id} counts {} nodes", pool.nodes));
            }
        }
        per_pool.keys().for_each(|pool| broken.push(format!("nodes of {pool}, which is gone")));
    }

    fn check_node(&self, id: NodeId, broken: &mut Vec<String>) {
        let Some(node) = self.nodes.get(&id) else { return };
        let Some(pool) = self.pools.get(&node.pool) else {
            return;
        };
        let taken = node.attempts.iter().filter_map(|fence| self.attempts.get(fence));
        let sum = taken.fold(node.free, |sum, attempt| sum.plus(&attempt.resources));
        if sum != *pool.capacity() {
            broken.push(format!("{id}: free and taken make {sum}, capacity is {}", pool.capacity()));
        }
        if !node.is_ready() && !node.attempts.is_empty() {
            broken.push(format!("{id} is {:?} with attempts on it", node.phase));
        }
    }

    fn check_runs(&self, broken: &mut Vec<String>) {
        let mut open: BTreeMap<_, u64> = BTreeMap::new();
        for (id, run) in self.runs.iter() {
            if run.ended.is_none() {
                *open.entry(run.pool).or_default() += 1;
            }
            if run.ended.is_some() != run.elements.is_over() {
                broken.push(format!("{id} ended {:?} with elements {:?}", run.ended, run.elements.counts()));
            }
            if self.runs.find(run.workspace, &run.name).map(|found| found.0) != Some(id) {
                broken.push(format!("{id} is not found by its name {}", run.name));
            }
        }
        for (id, pool) in self.pools.iter() {
            if pool.open_runs != open.remove(&id).unwrap_or_default() {
                broken.push(format!("{id} counts {} open runs", pool.open_runs));
            }
        }
        open.keys().for_each(|pool| broken.push(format!("open runs for {pool}, which is gone")));
    }

    fn check_quota(&self, broken: &mut Vec<String>) {
        let now = self.moment();
        let mut expected = Quota::default();
        for (_, node) in self.nodes.iter() {
            if let Some(pool) = self.pools.get(&node.pool) {
                expected.charge(&pool.account(), node.stage(), pool.capacity().vcpu.into(), now);
            }
        }
        for key in self.quota.keys().chain(expected.keys()) {
            let (counted, made) = (self.quota.usage(&key), expected.usage(&key));
            if counted != made {
                broken.push(format!("quota {key}: {counted:?}, nodes make {made:?}"));
            }
        }
        broken.extend(self.quota.check(now));
    }

    fn check_workspaces(&self, broken: &mut Vec<String>) {
        let of = |workspace| self.runs.iter().filter(move |(_, run)| run.workspace == workspace);
        for (id, workspace) in self.workspaces.iter() {
            let open = of(id).filter(|(_, run)| run.ended.is_none()).count();
            let running: usize = of(id).map(|(_, run)| run.elements.placed().count()).sum();
            if (workspace.open as usize, workspace.running as usize) != (open, running) {
                broken.push(format!(
                    "{id} counts {workspace:?}, its runs make {open} open and {running} running"
                ));
            }
        }
    }

    fn check_teams(&self, broken: &mut Vec<String>) {
        let mut parts: BTreeMap<(PoolId, &str), u64> = BTreeMap::new();
        for (_, attempt) in self.attempts.iter() {
            let found = self.nodes.get(&attempt.node).zip(self.runs.get(attempt.slot.run));
            let Some((node, run)) = found else { continue };
            let Some(pool) = self.pools.get(&node.pool) else { continue };
            let part = attempt.resources.dominant_part(pool.capacity());
            *parts.entry((node.pool, run.team())).or_default() += part;
        }
        for (id, pool) in self.pools.iter() {
            for (team, history) in &pool.teams {
                let made = parts.remove(&(id, &**team)).unwrap_or_default();
                if history.rate() != made {
                    broken.push(format!(
                        "{id} counts {} for team `{team}`, attempts make {made}",
                        history.rate()
                    ));
                }
            }
        }
        parts.retain(|_, part| *part > 0);
        parts.keys().for_each(|(pool, team)| broken.push(format!("{pool} counts nothing for team `{team}`")));
    }

    fn check_dependents(&self, broken: &mut Vec<String>) {
        let mut pending: BTreeMap<RunId, u32> = BTreeMap::new();
        for ((prerequisite, run), _) in self.dependents.iter() {
            *pending.entry(run).or_default() += 1;
            if self.runs.get(prerequisite).is_none_or(|run| run.ended.is_some()) {
                broken.push(format!("{run} waits for {prerequisite}, which has ended"));
            }
        }
        for (id, run) in self.runs.iter() {
            let waits_for = pending.remove(&id).unwrap_or_default();
            if run.pending != waits_for {
                broken.push(format!("{id} waits for {} runs, not for {waits_for}", run.pending));
            }
        }
        pending.keys().for_each(|run| broken.push(format!("{run} is gone and waits")));
    }
}
