//! S15: the index that was kept up entry by entry is the one that is made of the whole state; and it says what plain
//! walks over runs and nodes say.

use crate::naive::runs;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::ids::{NodeId, PoolId, RunId};
use tidegate_scheduler::index::Index;
use tidegate_scheduler::resources::{Need, Resources};
use tidegate_scheduler::state::nodes::NodePhase;
use tidegate_scheduler::time::Millis;
use tidegate_scheduler::{Core, State};

/// What differs between a controller's index and that of its state.
pub(crate) fn compare(core: &Core, found: &mut Vec<String>) {
    let state: &State = core.state();
    let (kept, whole) = (core.index(), Index::of(state));
    let mut broken = walk(kept, state);
    for (id, _) in state.pools() {
        if kept.queue(id) != whole.queue(id) || kept.pool_nodes(id) != whole.pool_nodes(id) {
            broken.push(format!("what is kept of {id} is not what is made of the state"));
        }
    }
    let entry = state.applied();
    let by = core.id();
    found.extend(
        broken.into_iter().map(|what| format!("S15 index is derived: {by} at entry {entry}: {what}")),
    );
}

/// What an index says of one pool, and what a walk says.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// By team and shape: the runs that may start, in their order, with how many elements.
    waiting: BTreeMap<(String, Need), Vec<(RunId, u32)>>,
    ready: BTreeSet<(Resources, NodeId)>,
    idle: BTreeSet<(Millis, NodeId)>,
    coming: BTreeSet<(Millis, NodeId)>,
    unusable: BTreeSet<NodeId>,
    leaving: usize,
}

fn by_index(index: &Index, pool: PoolId) -> Seen {
    let mut seen = Seen::default();
    for (team, need, shape) in index.queue(pool).into_iter().flat_map(|queue| queue.shapes()) {
        let runs = shape.runs().map(|(rank, waiting)| (rank.run(), waiting));
        seen.waiting.insert((team.to_owned(), *need), runs.collect());
    }
    if let Some(nodes) = index.pool_nodes(pool) {
        seen.ready = nodes.by_free().collect();
        seen.idle = nodes.idle().collect();
        seen.coming = nodes.coming().collect();
        seen.unusable = nodes.unusable().collect();
        seen.leaving = nodes.leaving();
    }
    seen
}

fn by_walk(state: &State, pool: PoolId) -> Seen {
    let mut seen = Seen::default();
    let mut runs: Vec<_> = state.runs().iter().filter(|(_, run)| run.pool == pool).collect();
    if let Some(pool) = state.pool(pool) {
        runs.sort_by_key(|(id, run)| runs::place(&pool.settings, *id, run));
    }
    for (id, run) in runs {
        let startable = runs::startable(run);
        if startable > 0 {
            let team = run.terms.as_ref().and_then(|terms| terms.team.as_deref()).unwrap_or_default();
            seen.waiting.entry((team.to_owned(), run.need)).or_default().push((id, startable));
        }
    }
    for (id, node) in state.nodes().filter(|(_, node)| node.pool == pool) {
        match &node.phase {
            NodePhase::Requested | NodePhase::Booting => drop(seen.coming.insert((node.requested, id))),
            NodePhase::Ready => {
                let of_it = state.attempts().filter(|(_, attempt)| attempt.node == id);
                let taken = of_it.map(|(_, attempt)| attempt.resources);
                let taken = taken.collect::<Vec<_>>();
                let sum = taken.iter().fold(Resources::default(), |sum, part| sum.plus(part));
                let size = state.pool(pool).map(|pool| pool.settings.size.capacity).unwrap_or_default();
                seen.ready.insert((size.minus(&sum).unwrap_or_default(), id));
                if taken.is_empty() {
                    seen.idle.insert((node.since, id));
                }
            }
            NodePhase::Unusable { .. } => drop(seen.unusable.insert(id)),
            NodePhase::Leaving => seen.leaving += 1,
        }
    }
    seen
}

/// What an index says and a walk over the state does not, or the other way round.
fn walk(index: &Index, state: &State) -> Vec<String> {
    let mut broken = Vec::new();
    let mut sum = 0;
    for (id, _) in state.pools() {
        let (says, is) = (by_index(index, id), by_walk(state, id));
        sum += is.waiting.values().flatten().map(|(_, waiting)| u64::from(*waiting)).sum::<u64>();
        if says != is {
            broken.push(format!("of {id} the index says {says:?}, a walk {is:?}"));
        }
    }
    if index.waiting() != sum {
        broken.push(format!("{} elements wait by the index, {sum} by a walk", index.waiting()));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{applied, asked, node, pool, run, select};
    use tidegate_scheduler::command::{ClientCommand, Command, Observation, PlanCommand};
    use tidegate_scheduler::ids::Slot;

    #[test]
    fn an_index_of_another_moment_is_found() {
        let mut state = State::new();
        applied(&mut state, vec![asked(pool("main", 4)), asked(run("a", 2)), asked(run("b", 1))]);
        let id = state.pools().next().expect("the pool").0;
        let on = node(&mut state, id);
        let slot = Slot { run: RunId(1), element: 0 };
        let reason = "broken".to_owned();
        let steps = [
            Command::Plan(PlanCommand::Start { slot, node: on }),
            asked(ClientCommand::Cancel(select("b", None))),
            Command::Plan(PlanCommand::RequestNode { pool: id }),
            Command::Observed(Observation::NodeFailed { node: on, reason }),
            Command::Observed(Observation::NodeGone { node: on }),
        ];
        for step in steps {
            let before = Index::of(&state);
            assert_eq!(walk(&before, &state), Vec::<String>::new());
            applied(&mut state, vec![step.clone()]);
            assert!(!walk(&before, &state).is_empty(), "{step:?}");
            assert_eq!(walk(&Index::of(&state), &state), Vec::<String>::new());
        }
    }
}
