//! How many nodes a pool should have: up for what is queued, down after the idle time.

use super::grant::Want;
use super::place::Left;
use super::{Drain, Plan, Situation};
use crate::command::{PlanCommand, ReleaseReason};
use crate::ids::PoolId;
use crate::index::PoolNodes;
use crate::mutants::{self, Mutant};
use crate::resources::{Need, Resources};
use crate::state::pools::Pool;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn scale(
    situation: &Situation<'_>,
    nodes: Option<&PoolNodes>,
    id: PoolId,
    pool: &Pool,
    left: &Left,
    plan: &mut Plan,
) -> Option<Want> {
    let none = PoolNodes::default();
    let nodes = nodes.unwrap_or(&none);
    for node in nodes.unusable() {
        plan.commands.push(PlanCommand::ReleaseNode { node, reason: ReleaseReason::Unusable });
    }
    let released = down(situation, nodes, pool, left, plan);
    if pool.deleting {
        return None;
    }
    up(situation, nodes.serving() - released, nodes.coming().count() as u64, id, pool, left, plan)
}

/// Gives back every node that may go while the cluster is being stopped.
pub(super) fn drain(situation: &Situation<'_>, nodes: Option<&PoolNodes>, plan: &mut Plan) {
    let Some(nodes) = nodes else { return };
    let free = nodes.idle().chain(nodes.coming()).map(|(_, node)| node).chain(nodes.unusable());
    let release = |node, reason| PlanCommand::ReleaseNode { node, reason };
    plan.commands.extend(free.map(|node| release(node, ReleaseReason::Drained)));
    if situation.drain == Drain::Force {
        let idle: BTreeSet<_> = nodes.idle().map(|(_, node)| node).collect();
        let busy = nodes.by_free().map(|(_, node)| node).filter(|node| !idle.contains(node));
        plan.commands.extend(busy.map(|node| release(node, ReleaseReason::Stopped)));
    }
}

/// How many nodes more the pool wants now.
fn up(
    situation: &Situation<'_>,
    serving: u32,
    coming: u64,
    id: PoolId,
    pool: &Pool,
    left: &Left,
    plan: &mut Plan,
) -> Option<Want> {
    let below_min = u64::from(pool.settings.min_instances.saturating_sub(serving));
    let open = u64::from(pool.settings.max_instances.saturating_sub(pool.nodes));
    let missing = nodes_for(left, pool.capacity(), open + coming).saturating_sub(coming).max(below_min);
    let missing = if serving > 0 && mutants::is(Mutant::GrowFromNoneAlone) { 0 } else { missing };
    let wanted = missing.min(open);
    if wanted == 0 {
        return None;
    }
    if pool.retry_at > situation.now {
        plan.wait_until(pool.retry_at);
        return None;
    }
    // After a failure one node tries whether the provider can make them again.
    let nodes = if pool.boot_failures > 0 { wanted.min(1).saturating_sub(coming) } else { wanted };
    Some(Want { pool: id, account: pool.account(), vcpu: pool.capacity().vcpu.into(), nodes })
}

/// Gives back what has been idle for long; tells how many.
fn down(situation: &Situation<'_>, nodes: &PoolNodes, pool: &Pool, left: &Left, plan: &mut Plan) -> u32 {
    let settings = &pool.settings;
    let least = if pool.deleting { 0 } else { settings.min_instances };
    let mut serving = nodes.serving();
    let before = serving;
    let waiting = left.values().any(|waiting| *waiting > 0) && !pool.deleting;
    let coming = nodes.coming().filter(|_| pool.deleting);
    for (since, node) in nodes.idle().chain(coming) {
        if serving <= least {
            break;
        }
        let shrunk = pool.deleting || serving > settings.max_instances;
        let due = match mutants::is(Mutant::ReleaseEarly) {
            false => since.after(settings.idle_time_before_scale_down),
            true => since,
        };
        let reason = match (shrunk, due <= situation.now && !waiting) {
            (true, _) => ReleaseReason::PoolShrunk,
            (false, true) => ReleaseReason::Idle,
            (false, false) => {
                plan.wait_until(due);
                break;
            }
        };
        plan.commands.push(PlanCommand::ReleaseNode { node, reason });
        serving -= 1;
    }
    before - serving
}

/// How many empty nodes hold all that is left, counted up to `most`: large needs first, each into the first
/// node with room. Equal needs are counted, not walked.
fn nodes_for(left: &Left, capacity: &Resources, most: u64) -> u64 {
    let mut nodes: u64 = 0;
    // Nodes with room left, by what is left on them.
    let mut open: BTreeMap<Resources, u64> = BTreeMap::new();
    for (need, waiting) in left.iter().rev() {
        let mut waiting = *waiting;
        let part = match need {
            Need::WholeNode => {
                nodes = nodes.saturating_add(waiting);
                continue;
            }
            Need::Part(part) => part,
        };
        for (room, count) in std::mem::take(&mut open) {
            let each = room.times(part).min(waiting);
            let used = if each == 0 { 0 } else { waiting.div_ceil(each).min(count) };
            let full = used.min(waiting / each.max(1));
            add(&mut open, room, count - used);
            add(&mut open, room_after(&room, part, each), full);
            add(&mut open, room_after(&room, part, waiting - full * each), used - full);
            waiting = waiting.saturating_sub(used * each);
        }
        let each = capacity.times(part).min(waiting).max(1);
        let full = waiting / each;
        add(&mut open, room_after(capacity, part, each), full);
        add(&mut open, room_after(capacity, part, waiting % each), u64::from(waiting % each > 0));
        nodes = nodes.saturating_add(waiting.div_ceil(each));
        if nodes >= most {
            return most;
        }
    }
    nodes.min(most)
}

fn add(open: &mut BTreeMap<Resources, u64>, room: Resources, count: u64) {
    if count > 0 {
        *open.entry(room).or_default() += count;
    }
}

fn room_after(room: &Resources, part: &Resources, times: u64) -> Resources {
    let less = |have: u64, each: u64| have.saturating_sub(each.saturating_mul(times));
    Resources {
        vcpu: less(room.vcpu.into(), part.vcpu.into()) as u32,
        memory_mib: less(room.memory_mib, part.memory_mib),
        gpu_milli: less(room.gpu_milli.into(), part.gpu_milli.into()) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(vcpu: u32) -> Need {
        Need::Part(Resources { vcpu, memory_mib: 0, gpu_milli: 0 })
    }

    fn count(left: &[(Need, u64)]) -> u64 {
        let capacity = Resources { vcpu: 4, memory_mib: 1024, gpu_milli: 0 };
        nodes_for(&left.iter().copied().collect(), &capacity, 1000)
    }

    #[test]
    fn large_needs_first_and_small_ones_into_what_is_left() {
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[(Need::WholeNode, 3)]), 3);
        assert_eq!(count(&[(part(1), 8)]), 2);
        assert_eq!(count(&[(part(1), 9)]), 3);
        assert_eq!(count(&[(part(3), 2), (part(1), 2)]), 2);
        assert_eq!(count(&[(part(3), 2), (part(1), 3)]), 3);
        assert_eq!(count(&[(part(2), 3), (part(1), 2), (Need::WholeNode, 1)]), 3);
        assert_eq!(count(&[(part(1), 1_000_000)]), 1000);
    }
}
