//! S2, by another way: what starts, and on which node, is what a naive walk over the state before it decides: by band, by
//! what teams have, by how long it has waited, or by priority alone where the order is strict; within what a workspace
//! may run; each on the fullest node where it fits, and one that needs a node of its own on the
//! one that has been idle most recently.

use super::{Applied, Checker};
use crate::coverage::{Coverage, Mark};
use crate::naive::runs;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegate_scheduler::State;
use tidegate_scheduler::command::{Command, PlanCommand, PoolSettings, QueueOrder, QuotaKey};
use tidegate_scheduler::ids::{NodeId, PoolId, RunId, Slot, WorkspaceId};
use tidegate_scheduler::resources::{Need, Resources};
use tidegate_scheduler::state::pools::Pool;
use tidegate_scheduler::state::runs::Run;
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

/// What a team has for its weight, as over and under; what weighs nothing comes after all that weighs something.
#[derive(Clone, Copy, Debug)]
struct Share {
    has: u128,
    weight: u128,
}

impl Share {
    fn is_less_than(self, other: Share) -> bool {
        match (self.has, other.has) {
            (0, has) => has > 0,
            (_, 0) => false,
            _ if self.weight == 0 && other.weight == 0 => self.has < other.has,
            _ if self.weight == 0 || other.weight == 0 => self.weight > 0,
            _ => self.has * other.weight < other.has * self.weight,
        }
    }
}

fn share(state: &State, pool: &Pool, team: &str, now: Millis) -> Share {
    let of = &pool.settings;
    let key = QuotaKey {
        region: of.region.clone(),
        family: Some(of.size.family.clone()),
        tier: of.tier,
        workspace: Some(of.workspace.clone()),
        team: Some(team.to_owned()),
    };
    let history = pool.teams.get(team).copied().unwrap_or_default();
    Share {
        has: u128::from(history.rate()) * 1000 + u128::from(history.average_milli(now)),
        weight: state.quota().allowance(&key).map_or(1, |allowance| allowance.weight.into()),
    }
}

/// A run that waits, and how many of its elements may still start.
struct Waits<'a> {
    id: RunId,
    run: &'a Run,
    left: u32,
    elements: VecDeque<u32>,
}

fn waiting<'a>(state: &'a State, id: PoolId) -> Vec<Waits<'a>> {
    let of_it = state.runs().iter().filter(|(_, run)| run.pool == id);
    let waits = |(id, run): (RunId, &'a Run)| match runs::startable(run) {
        0 => None,
        left => Some(Waits { id, run, left, elements: run.elements.waiting(usize::MAX).collect() }),
    };
    of_it.filter_map(waits).collect()
}

/// Whether `one` goes before `other`: by band; then, where there are teams to take turns, he who has less; then by place.
fn goes_before(
    pool: &PoolSettings,
    shares: &BTreeMap<&str, Share>,
    one: &Waits<'_>,
    other: &Waits<'_>,
) -> bool {
    let places = (runs::place(pool, one.id, one.run), runs::place(pool, other.id, other.run));
    if shares.len() > 1
        && places.0.0 == places.1.0
        && let (Some(mine), Some(theirs)) = (shares.get(one.run.team()), shares.get(other.run.team()))
    {
        if mine.is_less_than(*theirs) {
            return true;
        }
        if theirs.is_less_than(*mine) {
            return false;
        }
    }
    places.0 < places.1
}

/// All that could start in a pool, in its order, of no more than `room` elements; each time anew, whose turn it is.
fn place(
    state: &State,
    id: PoolId,
    silent: &BTreeSet<NodeId>,
    now: Millis,
    room: &mut u32,
    coverage: &mut Coverage,
) -> Placed {
    let mut placed = Placed::new();
    let Some(pool) = state.pool(id).filter(|pool| !pool.deleting) else { return placed };
    let mut rooms = rooms(state, id, silent);
    let mut waiting = waiting(state, id);
    let teams: BTreeSet<&str> = match pool.settings.order {
        QueueOrder::Fair => waiting.iter().map(|waits| waits.run.team()).collect(),
        QueueOrder::Strict => BTreeSet::new(),
    };
    let shares = teams.into_iter().map(|team| (team, share(state, pool, team, now)));
    let mut shares: BTreeMap<&str, Share> = shares.collect();
    // Of a shape that found no room, nothing goes before those that found none.
    let mut full: BTreeSet<Need> = BTreeSet::new();
    while *room > 0 {
        let open = |waits: &&Waits<'_>| waits.left > 0 && !full.contains(&waits.run.need);
        let mut next: Option<(usize, &Waits<'_>)> = None;
        for (at, waits) in waiting.iter().enumerate().filter(|(_, waits)| open(waits)) {
            if next.is_none_or(|(_, first)| goes_before(&pool.settings, &shares, waits, first)) {
                next = Some((at, waits));
            }
        }
        let Some(at) = next.map(|(at, _)| at) else { break };
        let need = waiting[at].run.need;
        let Some(node) = best(&rooms, &need) else {
            full.insert(need);
            continue;
        };
        let takes = need.on(pool.capacity());
        if let Some(room) = rooms.get_mut(&node) {
            room.free = room.free.minus(&takes).unwrap_or_default();
            room.idle = None;
        }
        let waits = &mut waiting[at];
        let Some(element) = waits.elements.pop_front() else { break };
        waits.left -= 1;
        *room -= 1;
        if let Some(share) = shares.get_mut(waits.run.team()) {
            share.has += u128::from(takes.dominant_part(pool.capacity())) * 1000;
        }
        placed.push((Slot { run: waits.id, element }, node));
    }
    if !placed.is_empty() {
        match pool.settings.order {
            QueueOrder::Strict => coverage.mark(Mark::StrictOrder),
            QueueOrder::Fair if shares.len() > 1 => coverage.mark(Mark::TeamsShared),
            QueueOrder::Fair => {}
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

fn judge(
    commands: &[Command],
    state: &State,
    silent: &BTreeSet<NodeId>,
    budget: usize,
    now: Millis,
    coverage: &mut Coverage,
) -> Vec<String> {
    let planned = commands.iter().filter(|command| matches!(command, Command::Plan(_))).count();
    let mut decided = decided(commands, state);
    let mut broken = Vec::new();
    let mut rooms: BTreeMap<WorkspaceId, u32> = BTreeMap::new();
    // Another pool comes first at each moment.
    let first = state.turn(now);
    let mut pools: Vec<(PoolId, &Pool)> = state.pools().collect();
    pools.sort_by_key(|(id, _)| (*id < first, *id));
    for (id, pool) in pools {
        let room = rooms.entry(pool.workspace).or_insert_with(|| runs::room(state, pool.workspace));
        let is = decided.remove(&id).unwrap_or_default();
        let naive = place(state, id, silent, now, room, coverage);
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
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        let Some(silent) = at.silent else { return };
        let (budget, now) = (at.limits.placements_per_pass, at.after.now());
        let broken = judge(at.commands, at.before, silent, budget, now, coverage);
        found.extend(broken.into_iter().map(|what| format!("S2 placement: entry {}: {what}", at.index)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{applied, asked, node, part, pool, submit};
    use tidegate_scheduler::command::{ClientCommand, RunLimits, Scheduling, Submit};

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

    fn judged(commands: &[Command], state: &State, silent: &BTreeSet<NodeId>, budget: usize) -> Vec<String> {
        judge(commands, state, silent, budget, Millis(0), &mut Coverage::default())
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
        let is_right = |state: &State, commands: &[Command]| judged(commands, state, &none, 9).is_empty();
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
        assert!(judged(&[start(3, 0, 1)], &state, &BTreeSet::new(), 1).is_empty());
        assert!(!judged(&[start(2, 0, 1)], &state, &BTreeSet::new(), 1).is_empty());
        let silent = [NodeId(1)].into();
        assert!(judged(&[start(3, 0, 2), start(2, 0, 2)], &state, &silent, 9).is_empty());
        assert!(!judged(&[start(3, 0, 1), start(2, 0, 1)], &state, &silent, 9).is_empty());
    }

    #[test]
    fn teams_take_turns_and_a_workspace_has_its_limit() {
        let mut state = State::new();
        let of_team = |name: &str, team: &str| {
            let scheduling = Scheduling { team: Some(team.into()), ..Scheduling::default() };
            asked(ClientCommand::Submit(Box::new(Submit { scheduling, ..submit(name, 2, part(1)) })))
        };
        let commands = vec![asked(pool("main", 4)), of_team("a", "x"), of_team("b", "y")];
        applied(&mut state, commands);
        let id = state.pools().next().expect("the pool").0;
        node(&mut state, id);
        let none = BTreeSet::new();
        let turns = [start(1, 0, 1), start(2, 0, 1), start(1, 1, 1), start(2, 1, 1)];
        assert_eq!(judged(&turns, &state, &none, 9), Vec::<String>::new());
        let one_team = [start(1, 0, 1), start(1, 1, 1), start(2, 0, 1), start(2, 1, 1)];
        assert!(!judged(&one_team, &state, &none, 9).is_empty());
        let limits = RunLimits { max_running: Some(3), max_open: None };
        applied(&mut state, vec![asked(ClientCommand::SetWorkspace { workspace: "default".into(), limits })]);
        assert!(!judged(&turns, &state, &none, 9).is_empty());
        assert_eq!(judged(&turns[..3], &state, &none, 9), Vec::<String>::new());
    }
}
