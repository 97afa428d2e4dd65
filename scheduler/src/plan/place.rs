//! Placement: by priority, then by submission; each on the fullest node where it fits.
//!
//! Shapes are walked, not runs: room only shrinks in a pass, so a shape that once did not fit is done for.

use super::{Plan, Situation};
use crate::command::PlanCommand;
use crate::ids::{PoolId, Slot};
use crate::index::{Nodes, Queue, Rank, Undo};
use crate::resources::Need;
use crate::state::pools::Pool;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Elements that found no room, by shape.
pub(super) type Left = BTreeMap<Need, u64>;

/// One pool's part of a pass.
pub(super) struct Placing<'a> {
    pub(super) situation: &'a Situation<'a>,
    pub(super) id: PoolId,
    pub(super) pool: &'a Pool,
    pub(super) queue: &'a Queue,
    pub(super) nodes: &'a mut Nodes,
    pub(super) taken: &'a mut Vec<Undo>,
}

impl Placing<'_> {
    pub(super) fn place(mut self, plan: &mut Plan) -> Left {
        let queue = self.queue;
        let mut left: Left = queue.shapes().map(|(need, shape)| (*need, shape.waiting())).collect();
        let mut shapes: Vec<_> = queue.shapes().map(|(need, shape)| (*need, shape.runs())).collect();
        let mut heads = BinaryHeap::new();
        for (at, (_, runs)) in shapes.iter_mut().enumerate() {
            heads.extend(runs.next().map(|(rank, _)| Reverse((rank, at))));
        }
        while let Some(Reverse((rank, at))) = heads.pop() {
            let (need, runs) = &mut shapes[at];
            let (placed, all) = self.place_run(rank, need, plan);
            if let Some(waiting) = left.get_mut(need) {
                *waiting -= placed;
            }
            if plan.commands.len() >= self.situation.limits.placements_per_pass {
                plan.unfinished.insert(self.id);
                break;
            }
            if all {
                heads.extend(runs.next().map(|(rank, _)| Reverse((rank, at))));
            }
        }
        left
    }

    /// Places what it can of a run; tells how many elements, and whether that were all.
    fn place_run(&mut self, rank: Rank, need: &Need, plan: &mut Plan) -> (u64, bool) {
        let Some(run) = self.situation.state.run(rank.run()) else {
            return (0, true);
        };
        let budget = self.situation.limits.placements_per_pass.saturating_sub(plan.commands.len());
        let mut placed = 0;
        for element in run.elements.waiting(budget) {
            let nodes = self.nodes.pool(self.id);
            let node = nodes.and_then(|nodes| nodes.best_fit(need, self.situation.silent));
            let taken =
                node.and_then(|node| Some((node, self.nodes.take_room(node, need, self.pool.capacity())?)));
            let Some((node, undo)) = taken else {
                return (placed, false);
            };
            self.taken.push(undo);
            plan.commands.push(PlanCommand::Start { slot: Slot { run: rank.run(), element }, node });
            placed += 1;
        }
        (placed, true)
    }
}
