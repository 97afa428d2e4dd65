//! L3: where a node has room for what waits, it is placed within some seconds; where a pool may grow for it, it
//! grows. The oracle is a naive scan over every run and every node.

use super::Demand;
use crate::clock::Micros;
use crate::world::World;
use tidegate_scheduler::State;
use tidegate_scheduler::ids::{NodeId, PoolId, RunId};
use tidegate_scheduler::index::Index;

/// How long it may stay admissible.
const SOON: Micros = Micros::seconds(12);

/// Something that could be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admissible {
    Place(RunId, NodeId),
    Grow(RunId, PoolId),
}

/// L3.
#[derive(Default)]
pub(crate) struct NothingAdmissibleIdles {
    since: Option<(u64, Micros)>,
}

fn scan(world: &World, state: &State) -> Option<Admissible> {
    let leader = world.leader()?;
    let core = world.controllers.get(&leader)?.core.as_ref().filter(|core| !core.is_draining())?;
    for (id, run) in state.runs().iter().filter(|(_, run)| run.elements.waiting(1).count() > 0) {
        let Some(pool) = state.pool(run.pool).filter(|pool| !pool.deleting) else { continue };
        let needed = run.need.on(pool.capacity());
        let heard = |node: &NodeId| !core.watch().silent().contains(node);
        let mut nodes = state.nodes().filter(|(_, node)| node.pool == run.pool);
        if let Some((node, _)) =
            nodes.find(|(node, entry)| entry.is_ready() && heard(node) && entry.free.fits(&needed))
        {
            return Some(Admissible::Place(id, node));
        }
        let none = !state.nodes().any(|(_, node)| node.pool == run.pool);
        let keys = pool.quota_keys();
        let room = state.quota().exhausted(&keys, pool.capacity().vcpu.into()).is_none();
        let now = core.cluster_now();
        if none && room && pool.nodes < pool.settings.max_instances && pool.retry_at <= now {
            return Some(Admissible::Grow(id, run.pool));
        }
    }
    None
}

impl Demand for NothingAdmissibleIdles {
    fn within(&self) -> Micros {
        Micros::seconds(30)
    }

    fn missing(&mut self, world: &World, _: Micros) -> Option<String> {
        let now = world.now();
        let state = world.reference.state();
        let Some(admissible) = scan(world, state) else {
            self.since = None;
            return None;
        };
        // As long as anything is started or asked for, the planner is at work.
        let begun = started(state);
        let (_, since) = match self.since {
            Some((known, since)) if known == begun => (known, since),
            _ => (begun, now),
        };
        self.since = Some((begun, since));
        let waiting = Index::of(state).waiting();
        (now.since(since) > SOON).then(|| {
            format!("L3 admissible: {admissible:?} could be done since {since:?}; {waiting} elements wait")
        })
    }
}

/// Moves with every attempt and every node.
fn started(state: &State) -> u64 {
    let attempts = state.attempts().map(|(fence, _)| fence.0).max().unwrap_or_default();
    let nodes = state.nodes().map(|(node, _)| node.0).sum::<u64>();
    let over: u64 = state.runs().iter().map(|(_, run)| u64::from(run.elements.counts().waiting)).sum();
    attempts.wrapping_mul(31).wrapping_add(nodes).wrapping_mul(31).wrapping_add(over)
}
