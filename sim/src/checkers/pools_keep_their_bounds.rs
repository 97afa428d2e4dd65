//! A pool never grows beyond `max_instances`, nor while it is being deleted or its provider is left alone after a
//! failure, nor for nothing; and it gives back no node that it needs, that works, or before its time.

use super::{Applied, Checker};
use crate::coverage::{Coverage, Mark};
use crate::naive::runs;
use std::collections::BTreeMap;
use tidegate_scheduler::State;
use tidegate_scheduler::command::{Command, PlanCommand, ReleaseReason};
use tidegate_scheduler::ids::{NodeId, PoolId, WorkspaceId};
use tidegate_scheduler::state::nodes::{Node, NodePhase};
use tidegate_scheduler::state::pools::Pool;
use tidegate_scheduler::time::Millis;

/// Pools keep their bounds.
pub(super) struct PoolsKeepTheirBounds;

/// What one pass decided for one pool.
#[derive(Default)]
struct Decided {
    starts: u64,
    requests: u32,
    releases: Vec<(NodeId, ReleaseReason)>,
}

fn decided(commands: &[Command], state: &State) -> BTreeMap<PoolId, Decided> {
    let mut decided: BTreeMap<PoolId, Decided> = BTreeMap::new();
    for command in commands {
        let Command::Plan(plan) = command else { continue };
        match plan {
            PlanCommand::Start { slot, .. } => {
                if let Some(run) = state.run(slot.run) {
                    decided.entry(run.pool).or_default().starts += 1;
                }
            }
            PlanCommand::RequestNode { pool } => decided.entry(*pool).or_default().requests += 1,
            PlanCommand::ReleaseNode { node, reason } => {
                if let Some(entry) = state.node(*node) {
                    decided.entry(entry.pool).or_default().releases.push((*node, *reason));
                }
            }
            PlanCommand::ForgetController { .. }
            | PlanCommand::Promote { .. }
            | PlanCommand::RaiseVersion { .. }
            | PlanCommand::Forget { .. } => {}
        }
    }
    decided
}

fn serves(node: &Node) -> bool {
    node.is_ready() || node.is_coming()
}

/// What is wrong with giving this node back, if anything is.
fn release(
    node: &Node,
    reason: ReleaseReason,
    pool: &Pool,
    serving: u32,
    left: u64,
    now: Millis,
) -> Option<&'static str> {
    let idle = node.is_idle();
    let settings = &pool.settings;
    match reason {
        ReleaseReason::Unusable if !matches!(node.phase, NodePhase::Unusable { .. }) => {
            Some("it can be used")
        }
        ReleaseReason::Unusable => None,
        ReleaseReason::Idle if !idle => Some("it is not idle"),
        ReleaseReason::Idle if node.since.after(settings.idle_time_before_scale_down) > now => {
            Some("it is not idle for long")
        }
        ReleaseReason::Idle if left > 0 => Some("something waits for its pool"),
        ReleaseReason::Idle if !pool.deleting && serving <= settings.min_instances => {
            Some("its pool is at its minimum")
        }
        ReleaseReason::PoolShrunk if !pool.deleting && serving <= settings.max_instances => {
            Some("its pool is no larger than it may be")
        }
        ReleaseReason::PoolShrunk if !(idle || (pool.deleting && node.is_coming())) => Some("it works"),
        ReleaseReason::Idle | ReleaseReason::PoolShrunk => None,
        ReleaseReason::Drained | ReleaseReason::Stopped => Some("nobody stops the cluster"),
    }
}

/// What a leader that is not told to stop decided on this state, at this moment, and should not have.
fn judge(commands: &[Command], state: &State, now: Millis) -> Vec<String> {
    let mut broken = Vec::new();
    let decided = decided(commands, state);
    let mut all_starts: BTreeMap<WorkspaceId, u64> = BTreeMap::new();
    for (id, Decided { starts, .. }) in &decided {
        if let Some(pool) = state.pool(*id) {
            *all_starts.entry(pool.workspace).or_default() += starts;
        }
    }
    for (id, Decided { starts, requests, releases }) in decided {
        let Some(pool) = state.pool(id) else { continue };
        let nodes: Vec<&Node> = state.nodes().map(|(_, node)| node).filter(|node| node.pool == id).collect();
        let mut serving = nodes.iter().filter(|node| serves(node)).count() as u32;
        let of_it = state.runs().iter().filter(|(_, run)| run.pool == id);
        let waiting: u64 = of_it.map(|(_, entry)| u64::from(runs::startable(entry))).sum();
        // What its workspace may not run needs no node; other pools of it may have taken their part before or after.
        let room = u64::from(runs::room(state, pool.workspace));
        let left = waiting.saturating_sub(starts).min(room.saturating_sub(starts));
        let all_taken = room <= all_starts.get(&pool.workspace).copied().unwrap_or_default();
        for (node, reason) in releases {
            let Some(entry) = state.node(node) else { continue };
            if let Some(why) = release(entry, reason, pool, serving, if all_taken { 0 } else { left }, now) {
                broken.push(format!("{node} of {id} is given back as {reason:?}, and {why}"));
            }
            serving -= u32::from(serves(entry));
        }
        let missing = u64::from(pool.settings.min_instances.saturating_sub(serving)).max(left);
        let most = pool.settings.max_instances.saturating_sub(nodes.len() as u32);
        let alone = pool.deleting || pool.retry_at > now || (pool.boot_failures > 0 && requests > 1);
        if requests > 0 && (alone || requests > most || u64::from(requests) > missing) {
            broken.push(format!(
                "{id} with {} nodes grows by {requests} for {left} that wait: {pool:?}",
                nodes.len()
            ));
        }
    }
    broken
}

impl Checker for PoolsKeepTheirBounds {
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        let mut broken = Vec::new();
        if at.silent.is_some() {
            broken = judge(at.commands, at.before, at.after.now());
        }
        // Whatever was decided, by whomever: what came of it is within bounds.
        for (id, pool) in at.after.pools() {
            if let Some(was) = at.before.pool(id) {
                if was.settings.team != pool.settings.team && pool.nodes > 0 {
                    coverage.mark(Mark::PoolMoved);
                }
                let waits =
                    |state: &State| state.runs().iter().any(|(_, run)| run.pool == id && run.ended.is_none());
                if was.settings.order != pool.settings.order && waits(at.before) {
                    coverage.mark(Mark::OrderChanged);
                }
            }
            let of_it = |state: &State| state.nodes().filter(|(_, node)| node.pool == id).count() as u32;
            let (was, is) = (of_it(at.before), of_it(at.after));
            if is > was && is > pool.settings.max_instances {
                broken.push(format!("{id} grows to {is} of at most {}", pool.settings.max_instances));
            }
        }
        found.extend(
            broken.into_iter().map(|what| format!("pools keep their bounds: entry {}: {what}", at.index)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{applied, asked, node, run, settings};
    use tidegate_scheduler::command::{ClientCommand, Observation, PoolSettings};
    use tidegate_scheduler::ids::{RunId, Slot};

    fn grow(times: usize) -> Vec<Command> {
        vec![Command::Plan(PlanCommand::RequestNode { pool: PoolId(1) }); times]
    }

    fn give_back(node: u64, reason: ReleaseReason) -> Vec<Command> {
        vec![Command::Plan(PlanCommand::ReleaseNode { node: NodeId(node), reason })]
    }

    /// A pool of one to three nodes, of which there are two: the first one works.
    fn begun() -> State {
        let mut state = State::new();
        let settings = PoolSettings { min_instances: 1, ..settings("main", 3) };
        let pool = asked(ClientCommand::ApplyPool(Box::new(settings)));
        applied(&mut state, vec![pool, asked(run("a", 1))]);
        let first = node(&mut state, PoolId(1));
        let slot = Slot { run: RunId(1), element: 0 };
        applied(&mut state, vec![Command::Plan(PlanCommand::Start { slot, node: first })]);
        node(&mut state, PoolId(1));
        state
    }

    fn is_right(state: &State, commands: &[Command], now: u64) -> bool {
        judge(commands, state, Millis(now)).is_empty()
    }

    #[test]
    fn a_pool_that_grows_for_nothing_or_too_far_is_found() {
        let mut state = begun();
        assert!(!is_right(&state, &grow(1), 0), "nothing waits");
        applied(&mut state, vec![asked(run("b", 5))]);
        assert!(is_right(&state, &grow(1), 0));
        assert!(!is_right(&state, &grow(2), 0), "it has two of three");
    }

    #[test]
    fn a_node_that_should_stay_is_found() {
        let state = begun();
        assert!(is_right(&state, &give_back(2, ReleaseReason::Idle), 1000));
        assert!(!is_right(&state, &give_back(2, ReleaseReason::Idle), 999), "before its time");
        assert!(!is_right(&state, &give_back(1, ReleaseReason::Idle), 1000), "it works");
        assert!(!is_right(&state, &give_back(2, ReleaseReason::Unusable), 1000));
        assert!(!is_right(&state, &give_back(2, ReleaseReason::PoolShrunk), 1000));
        assert!(!is_right(&state, &give_back(2, ReleaseReason::Drained), 1000));
        let mut alone = state.fork();
        applied(&mut alone, vec![Command::Observed(Observation::NodeGone { node: NodeId(1) })]);
        assert!(!is_right(&alone, &give_back(2, ReleaseReason::Idle), 1000), "at its minimum, and one waits");
    }
}
