//! L4 and L6: when nothing new arrives the queue drains; what was on its way off a node is queued again or over.

use super::Demand;
use crate::clock::Micros;
use crate::naive::quota::Ledger;
use crate::world::World;
use tidegate_scheduler::State;
use tidegate_scheduler::ids::RunId;
use tidegate_scheduler::state::runs::Run;

/// L4 and L6.
pub(super) struct RunsComeToTheirEnd;

fn open(state: &State) -> impl Iterator<Item = (RunId, &Run)> {
    state.runs().iter().filter(|(_, run)| run.ended.is_none())
}

/// Why a run may wait for ever: its owner allows no node for it, by a maximum or by a quota that others use up; or he lets
/// nothing run; or another run that it waits for has such a reason.
fn reason(state: &State, run: &Run) -> Option<String> {
    if run.elements.placed().next().is_some() {
        return None;
    }
    // No run waits for one that was submitted after it, so that this comes to an end.
    let first = run.terms.iter().flat_map(|terms| &terms.after).filter_map(|(id, _)| state.run(*id));
    let held = first.filter(|first| first.ended.is_none()).find_map(|first| reason(state, first));
    if let Some(held) = held.filter(|_| run.pending > 0) {
        return Some(format!("it waits for another run: {held}"));
    }
    let limits = state.workspace_of(run.workspace).map(|workspace| workspace.limits);
    if limits.is_some_and(|limits| limits.max_running == Some(0)) {
        return Some("its workspace may run nothing".into());
    }
    let pool = state.pool(run.pool)?;
    if state.nodes().any(|(_, node)| node.pool == run.pool) {
        return None;
    }
    if pool.settings.max_instances == 0 {
        return Some(format!("pool {} may have no node", pool.settings.name));
    }
    let available = Ledger::of(state, |_| true).available(&pool.settings);
    (available < i64::from(pool.capacity().vcpu)).then(|| format!("quota leaves it {available} vCPU"))
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
