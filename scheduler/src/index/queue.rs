//! The queue of one pool: by demand shape, and in each shape by priority, then by submission.

use crate::ids::RunId;
use crate::resources::Need;
use crate::state::runs::Run;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A run's place among all that wait for its pool: smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    priority: Reverse<u8>,
    run: RunId,
}

impl Rank {
    /// The place of this run.
    pub fn of(id: RunId, run: &Run) -> Rank {
        Rank { priority: Reverse(run.priority), run: id }
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }
}

/// The runs of one shape that wait.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShapeQueue {
    runs: BTreeMap<Rank, u32>,
    waiting: u64,
}

impl ShapeQueue {
    /// The runs in their order, each with the number of its waiting elements.
    pub fn runs(&self) -> impl Iterator<Item = (Rank, u32)> + '_ {
        self.runs.iter().map(|(rank, waiting)| (*rank, *waiting))
    }

    /// How many elements wait.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// How many elements wait before this place.
    pub fn ahead_of(&self, rank: Rank) -> u64 {
        self.runs.range(..rank).map(|(_, waiting)| u64::from(*waiting)).sum()
    }
}

/// All that waits for one pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queue {
    shapes: BTreeMap<Need, ShapeQueue>,
}

impl Queue {
    /// Sets how many elements of a run wait; none takes it out.
    pub(super) fn set(&mut self, need: &Need, rank: Rank, waiting: u32) {
        if waiting == 0 && !self.shapes.contains_key(need) {
            return;
        }
        let shape = self.shapes.entry(*need).or_default();
        let before = match waiting {
            0 => shape.runs.remove(&rank),
            waiting => shape.runs.insert(rank, waiting),
        };
        shape.waiting = shape.waiting + u64::from(waiting) - u64::from(before.unwrap_or(0));
        if shape.runs.is_empty() {
            self.shapes.remove(need);
        }
    }

    /// The shapes, each with its queue.
    pub fn shapes(&self) -> impl Iterator<Item = (&Need, &ShapeQueue)> {
        self.shapes.iter()
    }

    /// How many elements wait.
    pub fn waiting(&self) -> u64 {
        self.shapes.values().map(ShapeQueue::waiting).sum()
    }

    /// How many elements wait before this place, whatever their shape.
    pub fn ahead_of(&self, rank: Rank) -> u64 {
        self.shapes.values().map(|shape| shape.ahead_of(rank)).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }
}
