//! L4 and L6: when nothing new arrives the queue drains; what was on its way off a node is queued again or over.

use super::Demand;
use crate::clock::Micros;
use crate::world::World;
use tidegate_scheduler::State;
use tidegate_scheduler::ids::RunId;
use tidegate_scheduler::state::runs::Run;

/// L4 and L6.
pub(super) struct RunsComeToTheirEnd;

fn open(state: &State) -> impl Iterator<Item = (RunId, &Run)> {
    state.runs().iter().filter(|(_, run)| run.ended.is_none())
}

/// Why a run may wait for ever: its owner allows no node for it, by a maximum or by a quota that others use up.
fn reason(state: &State, run: &Run) -> Option<String> {
    if run.elements.placed().next().is_some() {
        return None;
    }
    let pool = state.pool(run.pool)?;
    if state.nodes().any(|(_, node)| node.pool == run.pool) {
        return None;
    }
    if pool.settings.max_instances == 0 {
        return Some(format!("pool {} may have no node", pool.settings.name));
    }
    let exhausted = state.quota().exhausted(&pool.quota_keys(), pool.capacity().vcpu.into())?;
    Some(format!("quota {} is {} and {} is used", exhausted.key, exhausted.limit, exhausted.used))
}

impl Demand for RunsComeToTheirEnd {
    fn within(&self) -> Micros {
        Micros::seconds(1800)
    }

    fn missing(&mut self, world: &World, healed: Micros) -> Option<String> {
        let state = world.reference.state();
        let mut left: Vec<_> = open(state).collect();
        // What has a reason to wait need not be waited for, once idle nodes elsewhere have had time to go.
        if world.now().since(healed) > Micros::seconds(400) {
            left.retain(|(_, run)| reason(state, run).is_none());
        }
        let (id, run) = left.first()?;
        let counts = run.elements.counts();
        Some(format!("L4 queue: {} runs do not end, such as {id}: {counts:?}, {run:?}", left.len()))
    }
}
