//! S2, by another way: what starts, and on which node, is what a naive walk over the state before it decides: by
//! priority, then by submission; each on the fullest node where it fits, and one that needs a node of its own on the
//! one that has been idle most recently.

use super::{Applied, Checker};
use crate::coverage::Coverage;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::State;
use tidegate_scheduler::command::{Command, PlanCommand};
use tidegate_scheduler::ids::{NodeId, PoolId, Slot};
use tidegate_scheduler::resources::{Need, Resources};
use tidegate_scheduler::time::Millis;

/// Placement is naive.
pub(super) struct PlacementIsNaive;

type Placed = Vec<(Slot, NodeId)>;

/// What is free on a node, and since when it has had nothing to do, if it has.
struct Room {
    free: Resources,
    idle: Option<Millis>,
}

fn rooms(state: &State, pool: PoolId, silent: &BTreeSet<NodeId>) -> BTreeMap<NodeId, Room> {
    let usable =
        state.nodes().filter(|(id, node)| node.pool == pool && node.is_ready() && !silent.contains(id));
    let room = |(id, node): (NodeId, &tidegate_scheduler::state::nodes::Node)| {
        let idle = node.attempts.is_empty().then_some(node.since);
        (id, Room { free: node.free, idle })
    };
    usable.map(room).collect()
}

fn best(rooms: &BTreeMap<NodeId, Room>, need: &Need) -> Option<NodeId> {
    let each = rooms.iter();
    match need {
        Need::WholeNode => each.filter_map(|(id, room)| Some((room.idle?, *id))).max().map(|(_, node)| node),
        Need::Part(part) => {
            let fits = each.filter(|(_, room)| room.free.minus(part).is_some());
            fits.map(|(id, room)| (room.free, *id)).min().map(|(_, node)| node)
        }
    }
}

/// All that could start in a pool, in its order.
fn place(state: &State, id: PoolId, silent: &BTreeSet<NodeId>) -> Placed {
    let mut placed = Placed::new();
    let Some(pool) = state.pool(id).filter(|pool| !pool.deleting) else { return placed };
    let mut rooms = rooms(state, id, silent);
    let mut runs: Vec<_> = state.runs().iter().filter(|(_, run)| run.pool == id).collect();
    runs.sort_by_key(|(id, run)| (Reverse(run.priority), *id));
    // Of a shape that found no room, nothing goes before those that found none.
    let mut full: BTreeSet<Need> = BTreeSet::new();
    for (run, entry) in runs {
        for element in entry.elements.waiting(usize::MAX) {
            if full.contains(&entry.need) {
                break;
            }
            let Some(node) = best(&rooms, &entry.need) else {
                full.insert(entry.need);
                break;
            };
            if let Some(room) = rooms.get_mut(&node) {
                room.free = room.free.minus(&entry.need.on(pool.capacity())).unwrap_or_default();
                room.idle = None;
            }
            placed.push((Slot { run, element }, node));
        }
    }
    placed
}

/// What was decided, by pool.
fn decided(commands: &[Command], state: &State) -> BTreeMap<PoolId, Placed> {
    let mut decided: BTreeMap<PoolId, Placed> = BTreeMap::new();
    for command in commands {
        if let Command::Plan(PlanCommand::Start { slot, node }) = command
            && let Some(run) = state.run(slot.run)
        {
            decided.entry(run.pool).or_default().push((*slot, *node));
        }
    }
    decided
}

fn judge(commands: &[Command], state: &State, silent: &BTreeSet<NodeId>, budget: usize) -> Vec<String> {
    let planned = commands.iter().filter(|command| matches!(command, Command::Plan(_))).count();
    let mut decided = decided(commands, state);
    let mut broken = Vec::new();
    for (id, _) in state.pools() {
        let (is, naive) = (decided.remove(&id).unwrap_or_default(), place(state, id, silent));
        // A pass is bounded: it may have stopped early.
        let right = if planned < budget { is == naive } else { naive.starts_with(&is) };
        if !right {
            broken.push(format!("for {id} the leader decided {is:?}, a naive walk {naive:?}"));
        }
    }
    broken.extend(decided.into_iter().map(|(id, placed)| format!("{placed:?} for {id}, which is not there")));
    broken
}

impl Checker for PlacementIsNaive {
    fn applied(&mut self, at: &Applied<'_>, _: &mut Coverage, found: &mut Vec<String>) {
        let Some(silent) = at.silent else { return };
        let broken = judge(at.commands, at.before, silent, at.limits.placements_per_pass);
        found.extend(broken.into_iter().map(|what| format!("S2 placement: entry {}: {what}", at.index)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{applied, asked, node, part, pool, submit};
    use tidegate_scheduler::command::{ClientCommand, Submit};
    use tidegate_scheduler::ids::RunId;

    fn start(run: u64, element: u32, node: u64) -> Command {
        let slot = Slot { run: RunId(run), element };
        Command::Plan(PlanCommand::Start { slot, node: NodeId(node) })
    }

    /// Two nodes of 4 vCPU, on the first of which 2 are taken.
    fn begun() -> State {
        let mut state = State::new();
        let first = Submit { priority: 10, ..submit("a", 1, part(2)) };
        let submit = |submit| asked(ClientCommand::Submit(Box::new(submit)));
        applied(&mut state, vec![asked(pool("main", 4)), submit(first)]);
        let id = state.pools().next().expect("the pool").0;
        node(&mut state, id);
        applied(&mut state, vec![start(1, 0, 1)]);
        node(&mut state, id);
        state
    }

    fn with(need: Need, priorities: &[u8]) -> State {
        let mut state = begun();
        for priority in priorities {
            let next = Submit { priority: *priority, ..submit(&format!("p{priority}"), 1, need) };
            applied(&mut state, vec![asked(ClientCommand::Submit(Box::new(next)))]);
        }
        state
    }

    #[test]
    fn other_nodes_and_another_order_are_found() {
        let none = BTreeSet::new();
        let is_right = |state: &State, commands: &[Command]| judge(commands, state, &none, 9).is_empty();
        let small = with(part(1), &[50, 90]);
        assert!(is_right(&small, &[start(3, 0, 1), start(2, 0, 1)]));
        assert!(!is_right(&small, &[start(2, 0, 1), start(3, 0, 1)]), "the other order");
        assert!(!is_right(&small, &[start(3, 0, 2), start(2, 0, 2)]), "not the fullest");
        assert!(!is_right(&small, &[start(3, 0, 1)]), "one is left although it fits");
        assert!(!is_right(&small, &[]), "nothing is decided");
        let whole = with(Need::WholeNode, &[50, 90]);
        assert!(is_right(&whole, &[start(3, 0, 2)]));
        assert!(!is_right(&whole, &[start(2, 0, 2)]), "the other one goes first");
    }

    #[test]
    fn a_pass_that_ran_out_of_steps_may_stop_early_and_one_of_a_silent_node_avoids_it() {
        let state = with(part(1), &[50, 90]);
        assert!(judge(&[start(3, 0, 1)], &state, &BTreeSet::new(), 1).is_empty());
        assert!(!judge(&[start(2, 0, 1)], &state, &BTreeSet::new(), 1).is_empty());
        let silent = [NodeId(1)].into();
        assert!(judge(&[start(3, 0, 2), start(2, 0, 2)], &state, &silent, 9).is_empty());
        assert!(!judge(&[start(3, 0, 1), start(2, 0, 1)], &state, &silent, 9).is_empty());
    }
}
