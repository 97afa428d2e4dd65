//! One controller's disk: what it has synced outlives a crash, what is on its way may not.
//!
//! Writes that arrive while a sync is under way go together in the next one. A crash leaves the batch under way
//! whole, torn or not at all; recovery cuts a torn one off. What is asked of it is what the real log promises.

mod snapshots;

pub use snapshots::{Flaw, Saved};

use crate::clock::Micros;
use crate::random::{MILLION, Random};
use snapshots::Snapshots;
use std::collections::VecDeque;
use thiserror::Error;
use tidegate_scheduler::consensus::{HardState, LogEntry, Persist, Restored, SnapshotPoint};

/// No sync takes longer, however slow the disk is.
const SLOWEST_SYNC: Micros = Micros::seconds(3);
/// No snapshot takes longer to be written or read.
const SLOWEST_TRANSFER: Micros = Micros::seconds(10);

/// How fast it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// No sync takes less.
    pub sync_min: Micros,
    /// What it takes beyond that, on average.
    pub sync_mean: Micros,
    /// Bytes of a snapshot that it writes or reads in a second.
    pub bytes_per_second: u64,
}

/// What a crash left of the batch that was on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// Nothing was on its way.
    Nothing,
    /// The batch reached the disk, though nobody was told.
    Whole,
    /// It was cut short; recovery drops it.
    Torn,
    /// None of it reached the disk.
    Lost,
}

/// Why a controller refuses to start from this disk: something acknowledged is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    /// A record of the log cannot be read, and good ones follow.
    #[error("the log is damaged")]
    Log,
    /// There is nothing on it any more, where a member had acknowledged things.
    #[error("the disk is empty")]
    Lost,
    /// The log goes on from a snapshot that is not there.
    #[error("the log begins at entry {first} but the newest whole snapshot ends at {snapshot}")]
    Gap {
        /// Where the log begins.
        first: u64,
        /// Where the snapshot ends.
        snapshot: u64,
    },
}

/// What a start reads back.
#[derive(Debug)]
pub struct ReadBack {
    /// For consensus.
    pub restored: Restored,
    /// The image of the snapshot; `None` for a group that never made one.
    pub image: Option<Vec<u8>>,
    /// How many newer snapshots were refused.
    pub refused: usize,
}

/// The disk.
#[derive(Debug)]
pub struct Disk {
    speed: Speed,
    slowdown: u32,
    hard_state: HardState,
    /// The last index that the log no longer holds.
    dropped: u64,
    entries: VecDeque<LogEntry>,
    snapshots: Snapshots,
    /// Under way, then those that wait for it.
    batch: Vec<Persist>,
    waiting: Vec<Persist>,
    /// What was written stays, under what makes it unreadable.
    damage: Option<Unusable>,
}

impl Disk {
    /// An empty one.
    pub fn new(speed: Speed) -> Disk {
        Disk {
            speed,
            slowdown: 1,
            hard_state: HardState::default(),
            dropped: 0,
            entries: VecDeque::new(),
            snapshots: Snapshots::default(),
            batch: Vec::new(),
            waiting: Vec::new(),
            damage: None,
        }
    }

    /// Takes a write; gives back how long the sync takes that begins with it, if none is under way.
    pub fn write(&mut self, persist: Persist, random: &mut Random) -> Option<Micros> {
        self.waiting.push(persist);
        self.begin(random)
    }

    fn begin(&mut self, random: &mut Random) -> Option<Micros> {
        // What only moves the commit index waits for the next write, and may be lost.
        if !self.batch.is_empty() || !self.waiting.iter().any(|persist| persist.must_sync) {
            return None;
        }
        self.batch = std::mem::take(&mut self.waiting);
        let pause = self.speed.sync_min.0 + random.exponential(self.speed.sync_mean.0);
        Some(Micros(pause.saturating_mul(u64::from(self.slowdown))).min(SLOWEST_SYNC))
    }

    /// The sync under way is done: the number of the last write in it, and how long the next sync takes, if
    /// one begins.
    pub fn synced(&mut self, random: &mut Random) -> (Option<u64>, Option<Micros>) {
        let batch = std::mem::take(&mut self.batch);
        let number = batch.last().map(|persist| persist.number);
        batch.into_iter().for_each(|persist| self.settle(persist));
        (number, self.begin(random))
    }

    fn settle(&mut self, persist: Persist) {
        if let Some(point) = persist.snapshot {
            self.entries.clear();
            self.dropped = point.index;
        }
        if let Some(first) = persist.entries.first() {
            while self.entries.back().is_some_and(|last| last.index >= first.index) {
                self.entries.pop_back();
            }
        }
        self.entries.extend(persist.entries);
        if let Some(hard_state) = persist.hard_state {
            self.hard_state = hard_state;
        }
    }

    /// The process dies, and what was on its way with it, or not.
    pub fn crash(&mut self, random: &mut Random) -> Remains {
        self.waiting.clear();
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Remains::Nothing;
        }
        match random.below(4) {
            0 => {
                batch.into_iter().for_each(|persist| self.settle(persist));
                Remains::Whole
            }
            1 => Remains::Lost,
            _ => Remains::Torn,
        }
    }

    /// How long it takes to write or read so many bytes.
    pub fn transfer(&self, bytes: usize) -> Micros {
        let micros = bytes as u64 * u64::from(MILLION) / self.speed.bytes_per_second.max(1);
        let span = Micros(micros.saturating_mul(u64::from(self.slowdown))).min(SLOWEST_TRANSFER);
        span.after(self.speed.sync_min)
    }

    /// A snapshot is durable from now on; all but the newest two go.
    pub fn save(&mut self, point: SnapshotPoint, image: Vec<u8>) {
        self.snapshots.save(Saved { point, image, flaw: None });
    }

    /// The image of a snapshot that stands at this index.
    pub fn image(&self, index: u64) -> Option<&Saved> {
        self.snapshots.at(index)
    }

    /// The log up to and with `index` goes.
    pub fn compact(&mut self, index: u64) {
        while self.entries.front().is_some_and(|first| first.index <= index) {
            self.entries.pop_front();
        }
        self.dropped = self.dropped.max(index);
    }

    /// Every sync takes so many times as long; 1 for as it was.
    pub fn slow(&mut self, times: u32) {
        self.slowdown = times.max(1);
    }

    /// A bit of the acknowledged log flips.
    pub fn rot(&mut self) {
        self.damage = Some(Unusable::Log);
    }

    /// All of it is gone.
    pub fn lose(&mut self) {
        self.damage = Some(Unusable::Lost);
    }

    /// The newest snapshot is no longer what was written; tells whether there was one.
    pub fn spoil_snapshot(&mut self, flaw: Flaw) -> bool {
        self.snapshots.spoil(flaw)
    }

    /// Whether an entry, or a snapshot with it, is synced. `term` is the entry's.
    pub fn holds(&self, index: u64, term: u64) -> bool {
        if index <= self.dropped || self.snapshots.newest().is_some_and(|saved| saved.point.index >= index) {
            return true;
        }
        let at = (index - self.dropped - 1) as usize;
        self.entries.get(at).is_some_and(|entry| entry.term == term)
    }

    /// What was synced of the vote and the term.
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// The last entry that is synced.
    pub fn last(&self) -> u64 {
        self.entries.back().map_or(self.dropped, |last| last.index)
    }

    /// Whether a start would refuse it.
    pub fn is_sound(&self) -> bool {
        self.check().is_ok()
    }

    fn check(&self) -> Result<(), Unusable> {
        if let Some(damage) = &self.damage {
            return Err(damage.clone());
        }
        let snapshot = self.snapshots.newest_whole().map_or(0, |saved| saved.point.index);
        match self.dropped > snapshot {
            true => Err(Unusable::Gap { first: self.dropped + 1, snapshot }),
            false => Ok(()),
        }
    }

    /// What a start reads back, as the real one does: the newest whole snapshot, and the log after it.
    ///
    /// # Errors
    /// When something acknowledged is damaged or missing.
    pub fn read_back(&mut self) -> Result<ReadBack, Unusable> {
        self.check()?;
        let refused = self.snapshots.put_damaged_aside();
        let newest = self.snapshots.newest();
        // One that came from another member may reach further than the log, if a crash came between.
        if let Some(saved) = newest
            && self.entries.back().is_none_or(|last| last.index <= saved.point.index)
        {
            self.entries.clear();
            self.dropped = self.dropped.max(saved.point.index);
        }
        let point = newest.map(|saved| saved.point.clone()).unwrap_or_default();
        let image = newest.map(|saved| saved.image.clone());
        let entries = self.entries.iter().filter(|entry| entry.index > point.index).cloned().collect();
        Ok(ReadBack { restored: Restored { hard_state: self.hard_state, point, entries }, image, refused })
    }
}

#[cfg(test)]
mod tests;
