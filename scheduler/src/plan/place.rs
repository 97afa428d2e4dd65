//! Placement: in the queue's order, each element on the fullest node where it fits.
//!
//! Shapes are walked, not runs: room only shrinks in a pass, so a shape that once did not fit is done for.

use super::share::Shares;
use super::{Plan, Situation};
use crate::command::PlanCommand;
use crate::ids::{PoolId, RunId, Slot};
use crate::index::{Nodes, Queue, Rank, Undo};
use crate::resources::Need;
use crate::state::pools::Pool;
use crate::state::quota::Ratio;
use crate::state::runs::Band;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

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
    /// How many elements more the pool's workspace may run.
    pub(super) room: u32,
}

/// The runs of one team and shape that wait, from the one on.
struct Line<'a> {
    team: &'a str,
    need: Need,
    runs: Box<dyn Iterator<Item = (Rank, u32)> + 'a>,
    /// What of the first one is left to be placed.
    elements: Box<dyn Iterator<Item = u32> + 'a>,
}

/// Whose turn it is: the band, then the share of the team, then the place in its queue.
type Turn = (Reverse<Band>, Ratio, Rank);

impl<'a> Placing<'a> {
    /// Places what it can; tells what is left, and how many were placed.
    pub(super) fn place(mut self, plan: &mut Plan) -> (Left, u32) {
        let queue = self.queue;
        let mut left = Left::new();
        for (_, need, shape) in queue.shapes() {
            *left.entry(*need).or_default() += shape.waiting();
        }
        let mut shares = Shares::of(self.situation, self.pool, queue);
        let mut lines: Vec<Line<'a>> =
            queue.shapes().map(|(team, need, shape)| Line::new(team, *need, shape)).collect();
        let mut turns = BinaryHeap::new();
        for (at, line) in lines.iter_mut().enumerate() {
            turns.extend(self.next(line, &shares).map(|turn| Reverse((turn, at))));
        }
        let mut full: BTreeSet<Need> = BTreeSet::new();
        let mut placed = 0;
        while let Some(Reverse((turn, at))) = turns.pop() {
            let line = &mut lines[at];
            if full.contains(&line.need) {
                continue;
            }
            let share = shares.share(line.team);
            if share > turn.1 {
                // Another line of the same team was served meanwhile.
                turns.push(Reverse(((turn.0, share, turn.2), at)));
                continue;
            }
            if plan.commands.len() >= self.situation.limits.placements_per_pass {
                plan.unfinished.insert(self.id);
                break;
            }
            if placed >= self.room {
                break;
            }
            let run = turn.2.run();
            // Where nobody else waits there is no need to ask after each element whose turn it is.
            let most = if shares.is_alone() { usize::MAX } else { 1 };
            let (count, fits) = self.place_elements(run, line, most, self.room - placed, plan);
            placed += count;
            if let Some(waiting) = left.get_mut(&line.need) {
                *waiting = waiting.saturating_sub(count.into());
            }
            shares.take(
                line.team,
                line.need.on(self.pool.capacity()).dominant_part(self.pool.capacity()) * u64::from(count),
            );
            if !fits {
                full.insert(line.need);
                continue;
            }
            let again = (most == 1).then_some((turn.0, shares.share(line.team), turn.2));
            let next = again.filter(|_| count > 0).or_else(|| self.next(line, &shares));
            turns.extend(next.map(|turn| Reverse((turn, at))));
        }
        (left, placed)
    }

    /// Moves on to the next run of a line.
    fn next(&self, line: &mut Line<'a>, shares: &Shares<'_>) -> Option<Turn> {
        let (rank, startable) = line.runs.next()?;
        let run = self.situation.state.run(rank.run())?;
        let most = self.situation.limits.placements_per_pass.min(startable as usize);
        line.elements = Box::new(run.elements.waiting(most));
        Some((rank.band(), shares.share(line.team), rank))
    }

    /// Places up to `most` elements of a line's first run; tells how many, and whether there was room for all.
    fn place_elements(
        &mut self,
        run: RunId,
        line: &mut Line<'a>,
        most: usize,
        room: u32,
        plan: &mut Plan,
    ) -> (u32, bool) {
        let budget = self.situation.limits.placements_per_pass.saturating_sub(plan.commands.len());
        let mut placed = 0;
        for element in line.elements.by_ref().take(most.min(budget).min(room as usize)) {
            let nodes = self.nodes.pool(self.id);
            let node = nodes.and_then(|nodes| nodes.best_fit(&line.need, self.situation.silent));
            let taken = node
                .and_then(|node| Some((node, self.nodes.take_room(node, &line.need, self.pool.capacity())?)));
            let Some((node, undo)) = taken else {
                return (placed, false);
            };
            self.taken.push(undo);
            plan.commands.push(PlanCommand::Start { slot: Slot { run, element }, node });
            placed += 1;
        }
        (placed, true)
    }
}

impl<'a> Line<'a> {
    fn new(team: &'a str, need: Need, shape: &'a crate::index::ShapeQueue) -> Line<'a> {
        Line { team, need, runs: Box::new(shape.runs()), elements: Box::new(std::iter::empty()) }
    }
}
