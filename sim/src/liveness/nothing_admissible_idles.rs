//! L3: where a node has room for what waits, it is placed within some seconds; where a pool may still grow for it, it
//! grows. Each pool is judged by itself, by a naive scan over its runs, its nodes and the limits; nothing but a
//! reason that the scan names itself excuses a pool that stands still.

use super::Demand;
use crate::clock::Micros;
use crate::naive::quota::Ledger;
use crate::naive::runs;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::State;
use tidegate_scheduler::ids::{NodeId, PoolId, RunId};
use tidegate_scheduler::resources::{Need, Resources};
use tidegate_scheduler::state::nodes::{Node, NodePhase};
use tidegate_scheduler::state::pools::Pool;
use tidegate_scheduler::state::runs::Run;
use tidegate_scheduler::time::Millis;

/// How long it may stay admissible.
const SOON: Micros = Micros::seconds(12);

/// Something that could be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admissible {
    /// A node that is there has room for it.
    Place(RunId, NodeId),
    /// More waits than all nodes on their way could hold.
    Grow(RunId),
    /// There are fewer nodes than there must be.
    Refill,
}

/// What a pool has come to: it is at work as long as this moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Work {
    attempt: u64,
    node: u64,
    waiting: u64,
}

/// L3.
#[derive(Default)]
pub(crate) struct NothingAdmissibleIdles {
    since: BTreeMap<PoolId, (Work, Micros)>,
}

/// What the scan looks at beside the state.
struct Surroundings<'a> {
    /// Nodes whose worker its leader has not heard for a while, by what really came to it.
    silent: &'a dyn Fn(NodeId) -> bool,
    now: Millis,
}

fn waiting(state: &State, pool: PoolId) -> impl Iterator<Item = (RunId, &Run)> {
    state.runs().iter().filter(move |(_, run)| run.pool == pool && runs::startable(run) > 0)
}

fn nodes(state: &State, pool: PoolId) -> impl Iterator<Item = (NodeId, &Node)> {
    state.nodes().filter(move |(_, node)| node.pool == pool)
}

/// Why a pool may not grow now.
fn excuse(state: &State, id: PoolId, pool: &Pool, now: Millis) -> Option<String> {
    let all = nodes(state, id).count() as u32;
    let coming = nodes(state, id).filter(|(_, node)| node.is_coming()).count();
    if pool.deleting {
        return Some("it is being deleted".into());
    }
    if all >= pool.settings.max_instances {
        return Some(format!("it has {all} of at most {} nodes", pool.settings.max_instances));
    }
    let available = Ledger::of(state, |_| true).available(&pool.settings);
    if available < i64::from(pool.settings.size.capacity.vcpu) {
        return Some(format!("quota leaves it {available} vCPU"));
    }
    if pool.boot_failures > 0 && (pool.retry_at > now || coming > 0) {
        return Some(format!("its provider failed {} times, and is tried now and then", pool.boot_failures));
    }
    None
}

/// Whether all that waits could never be held by so many empty nodes, however it were put on them.
fn overflows(state: &State, id: PoolId, pool: &Pool, nodes: u64) -> Option<RunId> {
    let size = pool.capacity();
    let (mut vcpu, mut memory, mut gpu) = (0, 0, 0);
    let startable: u32 = waiting(state, id).map(|(_, run)| runs::startable(run)).sum();
    if startable > runs::room(state, pool.workspace) {
        // Which of them run is not known: only whether there is a node for one at all.
        return waiting(state, id).next().map(|(run, _)| run).filter(|_| nodes == 0);
    }
    for (run, entry) in waiting(state, id) {
        let Resources { vcpu: v, memory_mib: m, gpu_milli: g } = match entry.need {
            Need::WholeNode => *size,
            Need::Part(part) => part,
        };
        let count = u64::from(runs::startable(entry));
        vcpu += u64::from(v) * count;
        memory += m * count;
        gpu += u64::from(g) * count;
        let has = |each: u64| each * nodes;
        if vcpu > has(size.vcpu.into()) || memory > has(size.memory_mib) || gpu > has(size.gpu_milli.into()) {
            return Some(run);
        }
    }
    None
}

/// What could be done for a pool and is not.
fn scan(state: &State, id: PoolId, pool: &Pool, around: &Surroundings<'_>) -> Option<Admissible> {
    if pool.deleting {
        return None;
    }
    let room = runs::room(state, pool.workspace) > 0;
    for (run, entry) in waiting(state, id).filter(|_| room) {
        let fits = |node: &Node| {
            node.phase == NodePhase::Ready
                && match entry.need {
                    Need::WholeNode => node.attempts.is_empty(),
                    Need::Part(part) => node.free.fits(&part),
                }
        };
        let mut nodes = nodes(state, id).filter(|(node, _)| !(around.silent)(*node));
        if let Some((node, _)) = nodes.find(|(_, node)| fits(node)) {
            return Some(Admissible::Place(run, node));
        }
    }
    if excuse(state, id, pool, around.now).is_some() {
        return None;
    }
    let coming = nodes(state, id).filter(|(_, node)| node.is_coming()).count() as u64;
    let serving = nodes(state, id).filter(|(_, node)| node.is_ready()).count() as u64 + coming;
    if serving < pool.settings.min_instances.into() {
        return Some(Admissible::Refill);
    }
    overflows(state, id, pool, coming).filter(|_| room).map(Admissible::Grow)
}

impl NothingAdmissibleIdles {
    /// What a pool could have done for too long.
    fn look(&mut self, now: Micros, state: &State, around: &Surroundings<'_>) -> Option<String> {
        let there: BTreeSet<PoolId> = state.pools().map(|(id, _)| id).collect();
        self.since.retain(|id, _| there.contains(id));
        let mut overdue = None;
        for (id, pool) in state.pools() {
            let Some(admissible) = scan(state, id, pool, around) else {
                self.since.remove(&id);
                continue;
            };
            // As long as anything of this pool is started or asked for, the planner is at work on it.
            let work = work(state, id);
            let (known, since) = self.since.get(&id).copied().unwrap_or((work, now));
            let since = if known == work { since } else { now };
            self.since.insert(id, (work, since));
            if now.since(since) > SOON && overdue.is_none() {
                overdue = Some(format!(
                    "L3 admissible: {admissible:?} could be done for {id} since {since:?}; {} elements wait",
                    work.waiting
                ));
            }
        }
        overdue
    }
}

fn work(state: &State, id: PoolId) -> Work {
    let attempts = nodes(state, id).flat_map(|(_, node)| node.attempts.iter());
    Work {
        attempt: attempts.map(|fence| fence.0).max().unwrap_or_default(),
        node: nodes(state, id).map(|(node, _)| node.0).max().unwrap_or_default(),
        waiting: waiting(state, id).map(|(_, run)| u64::from(runs::startable(run))).sum(),
    }
}

impl Demand for NothingAdmissibleIdles {
    fn within(&self) -> Micros {
        Micros::seconds(30)
    }

    fn missing(&mut self, world: &World, _: Micros) -> Option<String> {
        let leads = world.leader();
        let core = leads.and_then(|leader| Some((leader, world.controllers.get(&leader)?.core.as_ref()?)));
        let Some((leader, core)) = core.filter(|(_, core)| !core.is_draining()) else {
            self.since.clear();
            return None;
        };
        let silent = |node| world.silence.is_silent(leader, node, world.now(), &world.swarm.limits);
        let around = Surroundings { silent: &silent, now: core.cluster_now() };
        self.look(world.now(), world.reference.state(), &around)
    }
}

#[cfg(test)]
mod tests;
