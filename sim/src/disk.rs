//! One controller's disk: what it has synced outlives a crash, what is on its way may not.
//!
//! Writes that arrive while a sync is under way go together in the next one. A crash leaves the batch under way
//! whole, torn or not at all; recovery cuts a torn one off. What is asked of it is what the real log promises.
//!
//! Damage to a record that others follow is found at the next start, and the log refused as it lies. Damage to the very
//! last one cannot be told from a write that a crash cut short: a disk that says that a sync is done, and loses it
//! without a trace, is outside of what any log, and so Raft, can bear. None of the faults does that.

mod snapshots;

pub use snapshots::{Flaw, Refused, Saved};

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
    /// Another record lies where one was synced.
    #[error("the log is damaged: one record lies where another was")]
    Overwritten,
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
    /// The newer snapshots that were refused, newest first.
    pub refused: Vec<Refused>,
    /// The snapshot that should be the newest is not there any more.
    pub fell_back: bool,
    /// The log begins anew after the snapshot, which it did not lead to.
    pub begun_anew: bool,
}

/// The disk.
#[derive(Debug)]
pub struct Disk {
    speed: Speed,
    slowdown: u32,
    hard_state: HardState,
    /// The last entry that the log no longer holds, by index and term.
    dropped: u64,
    dropped_term: u64,
    entries: VecDeque<LogEntry>,
    snapshots: Snapshots,
    /// Under way, then those that wait for it.
    batch: Vec<Persist>,
    waiting: Vec<Persist>,
    /// What was written stays, under what makes it unreadable.
    damage: Option<Unusable>,
    /// A record lies elsewhere than it should, among those up to this entry.
    misdirected: Option<u64>,
    /// The next sync gives an error.
    failing: bool,
    /// The newest snapshot was taken away.
    snapshot_taken: bool,
    /// Whether a sync took longer because of [`Disk::slow`].
    was_slow: bool,
}

impl Disk {
    /// An empty one.
    pub fn new(speed: Speed) -> Disk {
        Disk {
            speed,
            slowdown: 1,
            hard_state: HardState::default(),
            dropped: 0,
            dropped_term: 0,
            entries: VecDeque::new(),
            snapshots: Snapshots::default(),
            batch: Vec::new(),
            waiting: Vec::new(),
            damage: None,
            misdirected: None,
            failing: false,
            snapshot_taken: false,
            was_slow: false,
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
        self.was_slow |= self.slowdown > 1;
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
            self.begin_anew(point.index, point.term);
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

    fn begin_anew(&mut self, index: u64, term: u64) {
        self.entries.clear();
        (self.dropped, self.dropped_term) = (index, term);
        self.misdirected = None;
    }

    /// The term of an entry that the log holds, or of the last one before it.
    fn term(&self, index: u64) -> Option<u64> {
        match index.checked_sub(self.dropped)? {
            0 => Some(self.dropped_term),
            after => self.entries.get(after as usize - 1).map(|entry| entry.term),
        }
    }

    /// The process dies, and what was on its way with it, or not.
    pub fn crash(&mut self, random: &mut Random) -> Remains {
        self.failing = false;
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
        self.snapshots.save(Saved::new(point, image));
        self.snapshot_taken = false;
    }

    /// The image of a snapshot that stands at this index.
    pub fn image(&self, index: u64) -> Option<&Saved> {
        self.snapshots.at(index)
    }

    /// The log up to and with `index` goes.
    pub fn compact(&mut self, index: u64) {
        while let Some(first) = self.entries.pop_front_if(|first| first.index <= index) {
            (self.dropped, self.dropped_term) = (first.index, first.term);
        }
        // What is compacted away is never read again.
        if self.misdirected.is_some_and(|at| at <= self.dropped) {
            self.misdirected = None;
        }
    }

    /// Every sync takes so many times as long; 1 for as it was.
    pub fn slow(&mut self, times: u32) {
        self.slowdown = times.max(1);
    }

    /// A bit of the acknowledged log flips.
    pub fn rot(&mut self) {
        self.damage = Some(Unusable::Log);
    }

    /// The last record was written over an earlier one, and nobody knows; tells whether there was one to be hit. It is
    /// found at the next start, unless both have been compacted away by then.
    pub fn misdirect(&mut self) -> bool {
        let last = self.entries.back().filter(|_| self.entries.len() > 2).map(|entry| entry.index);
        self.misdirected = last.or(self.misdirected);
        last.is_some()
    }

    /// The next sync gives an error.
    pub fn fail_next_sync(&mut self) {
        self.failing = true;
    }

    /// Whether the sync under way gives an error: nobody knows how much of it is on the disk.
    pub fn sync_fails(&self) -> bool {
        self.failing
    }

    /// Whether a sync has been slowed down since this was last asked.
    pub fn take_was_slow(&mut self) -> bool {
        std::mem::take(&mut self.was_slow)
    }

    /// All of it is gone.
    pub fn lose(&mut self) {
        self.damage = Some(Unusable::Lost);
    }

    /// The newest snapshot is no longer what was written; tells whether there was one.
    pub fn spoil_snapshot(&mut self, flaw: Flaw, random: &mut Random) -> bool {
        let spoilt = self.snapshots.spoil(flaw, random);
        self.snapshot_taken |= spoilt && flaw == Flaw::Missing;
        spoilt
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
        if self.misdirected.is_some() {
            return Err(Unusable::Overwritten);
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
        let fell_back = std::mem::take(&mut self.snapshot_taken);
        let newest = self.snapshots.newest().cloned();
        let point = newest.as_ref().map(|saved| saved.point.clone()).unwrap_or_default();
        // One that came from another member, and is ahead of the log or on another branch than it, begins it anew: a
        // crash came between.
        let leads_there = point.index < self.dropped || self.term(point.index) == Some(point.term);
        if !leads_there {
            self.begin_anew(point.index, point.term);
            self.hard_state.commit = point.index;
        }
        let entries = self.entries.iter().filter(|entry| entry.index > point.index).cloned().collect();
        let restored = Restored { hard_state: self.hard_state, point, entries };
        let image = newest.map(|saved| saved.image);
        Ok(ReadBack { restored, image, refused, fell_back, begun_anew: !leads_there })
    }
}

#[cfg(test)]
mod tests;
