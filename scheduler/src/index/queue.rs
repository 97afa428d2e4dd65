//! The queue of one pool: by team and demand shape, and in each by rank.

use crate::command::QueueOrder;
use crate::ids::RunId;
use crate::resources::Need;
use crate::state::runs::{Band, Run};
use crate::time::Millis;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A point of priority counts as much as having waited for so long.
const POINT: Millis = Millis::seconds(360);

/// A run's place among all of its team that wait for its pool: smaller goes first. It stays the same while time goes on,
/// because all runs age alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    band: Reverse<Band>,
    key: i64,
    run: RunId,
}

impl Rank {
    /// The place of this run.
    pub fn of(id: RunId, run: &Run, order: QueueOrder) -> Rank {
        let priority = i64::from(run.priority);
        match order {
            QueueOrder::Fair => {
                let queued = i64::try_from(run.queued.0).unwrap_or(i64::MAX / 2);
                Rank { band: Reverse(run.band), key: queued - priority * POINT.0 as i64, run: id }
            }
            QueueOrder::Strict => Rank { band: Reverse(Band::High), key: -priority, run: id },
        }
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// What goes before everything else.
    pub(crate) fn band(&self) -> Reverse<Band> {
        self.band
    }
}

/// The runs of one shape that wait.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShapeQueue {
    runs: BTreeMap<Rank, u32>,
    waiting: u64,
}

impl ShapeQueue {
    /// The runs in their order, each with the number of its elements that may start.
    pub fn runs(&self) -> impl Iterator<Item = (Rank, u32)> + '_ {
        self.runs.iter().map(|(rank, waiting)| (*rank, *waiting))
    }

    /// The first run of a band.
    pub fn head(&self, band: Band) -> Option<RunId> {
        let first = Rank { band: Reverse(band), key: i64::MIN, run: RunId(0) };
        let (rank, _) = self.runs.range(first..).next()?;
        (rank.band == first.band).then_some(rank.run)
    }

    /// How many elements may start.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// How many of them come before this place.
    fn ahead_of(&self, rank: Rank) -> u64 {
        self.runs.range(..rank).map(|(_, waiting)| u64::from(*waiting)).sum()
    }

    fn set(&mut self, rank: Rank, waiting: u32) {
        let before = match waiting {
            0 => self.runs.remove(&rank),
            waiting => self.runs.insert(rank, waiting),
        };
        self.waiting = self.waiting + u64::from(waiting) - u64::from(before.unwrap_or(0));
    }
}

/// All that waits for one pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queue {
    teams: BTreeMap<Box<str>, BTreeMap<Need, ShapeQueue>>,
}

impl Queue {
    /// Sets how many elements of a run may start; none takes it out.
    pub(super) fn set(&mut self, id: RunId, run: &Run, order: QueueOrder) {
        let waiting = run.startable();
        let team = run.team();
        if waiting > 0 && !self.teams.contains_key(team) {
            self.teams.insert(team.into(), BTreeMap::new());
        }
        let Some(shapes) = self.teams.get_mut(team) else { return };
        if waiting == 0 && !shapes.contains_key(&run.need) {
            return;
        }
        let shape = shapes.entry(run.need).or_default();
        let rank = Rank::of(id, run, order);
        // Where it stood before it rose.
        let mut band = Band::of(run.priority);
        while order == QueueOrder::Fair && band < run.band {
            shape.set(Rank { band: Reverse(band), ..rank }, 0);
            band = band.higher();
        }
        shape.set(rank, waiting);
        if shape.runs.is_empty() {
            shapes.remove(&run.need);
        }
        if shapes.is_empty() {
            self.teams.remove(team);
        }
    }

    /// The teams of which something may start.
    pub fn teams(&self) -> impl ExactSizeIterator<Item = &str> {
        self.teams.keys().map(|team| &**team)
    }

    /// The teams and shapes, each with its queue.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &Need, &ShapeQueue)> {
        self.teams
            .iter()
            .flat_map(|(team, shapes)| shapes.iter().map(move |(need, shape)| (&**team, need, shape)))
    }

    /// How many elements may start.
    pub fn waiting(&self) -> u64 {
        self.shapes().map(|(_, _, shape)| shape.waiting()).sum()
    }

    /// How many elements come before this place, whatever their shape, if teams are left aside.
    pub fn ahead_of(&self, rank: Rank) -> u64 {
        self.shapes().map(|(_, _, shape)| shape.ahead_of(rank)).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.teams.is_empty()
    }
}
