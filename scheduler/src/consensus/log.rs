//! The part of the log that is in memory: what is not applied yet, and a tail of what is.

use super::durable::{EntryKind, HardState, LogEntry, Members, SnapshotPoint};
use super::message;
use raft::eraftpb::{Entry, EntryType, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError};
use std::cell::Cell;
use std::collections::VecDeque;

/// What an entry costs in memory beside its data.
const OVERHEAD: u64 = 64;

pub(super) struct MemoryLog {
    hard_state: HardState,
    members: Members,
    /// The newest snapshot that is durable here.
    saved: Option<SnapshotPoint>,
    /// Where the newest one stands that is on its way to the disk.
    making: u64,
    /// A member needs a snapshot that there is not: a newer one, or one that knows of it.
    wanted: Cell<bool>,
    /// The last entry that is no longer in memory.
    dropped: (u64, u64),
    entries: VecDeque<LogEntry>,
    bytes: u64,
}

impl MemoryLog {
    pub(super) fn new(hard_state: HardState, point: SnapshotPoint, entries: Vec<LogEntry>) -> MemoryLog {
        let bytes = entries.iter().map(cost).sum();
        MemoryLog {
            hard_state,
            members: point.members.clone(),
            dropped: (point.index, point.term),
            saved: (point.index > 0).then_some(point),
            making: 0,
            wanted: Cell::new(false),
            entries: entries.into(),
            bytes,
        }
    }

    pub(super) fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    pub(super) fn hard_state(&self) -> HardState {
        self.hard_state
    }

    pub(super) fn raise_commit(&mut self, commit: u64) {
        self.hard_state.commit = self.hard_state.commit.max(commit);
    }

    /// Appends; the first entry may overwrite what is at and after its index.
    pub(super) fn append(&mut self, entries: &[LogEntry]) {
        let Some(first) = entries.first() else { return };
        while self.entries.back().is_some_and(|last| last.index >= first.index) {
            self.bytes -= self.entries.pop_back().as_ref().map_or(0, cost);
        }
        self.bytes += entries.iter().map(cost).sum::<u64>();
        self.entries.extend(entries.iter().cloned());
    }

    /// Drops applied entries from the front while more than `keep` bytes are held.
    pub(super) fn trim(&mut self, applied: u64, keep: u64) {
        while self.bytes > keep && self.entries.front().is_some_and(|first| first.index <= applied) {
            if let Some(entry) = self.entries.pop_front() {
                self.bytes -= cost(&entry);
                self.dropped = (entry.index, entry.term);
            }
        }
    }

    pub(super) fn point(&self, index: u64) -> Option<SnapshotPoint> {
        let term = self.term(index).ok()?;
        Some(SnapshotPoint { index, term, members: self.members.clone() })
    }

    pub(super) fn members(&self) -> &Members {
        &self.members
    }

    pub(super) fn set_members(&mut self, members: Members) {
        self.members = members;
    }

    /// Begins again after a snapshot that came from another member.
    pub(super) fn restart(&mut self, point: SnapshotPoint) {
        self.entries.clear();
        self.bytes = 0;
        self.dropped = (point.index, point.term);
        self.members = point.members.clone();
        self.saved = Some(point);
    }

    /// A snapshot is durable here.
    pub(super) fn set_saved(&mut self, point: SnapshotPoint) {
        if self.saved.as_ref().is_none_or(|known| known.index < point.index) {
            self.saved = Some(point);
        }
        self.wanted.set(false);
    }

    /// A snapshot is on its way to the disk.
    pub(super) fn set_making(&mut self, index: u64) {
        self.making = index;
    }

    /// The last entry that is no longer in memory.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.0
    }

    /// Where a member that needs a snapshot goes on: what comes after it must stay until then.
    pub(super) fn snapshot_reaches(&self) -> u64 {
        let saved = self.saved.as_ref().map_or(0, |point| point.index);
        if saved >= self.dropped.0 { saved } else { self.making }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.get()
    }

    fn last(&self) -> u64 {
        self.entries.back().map_or(self.dropped.0, |last| last.index)
    }
}

fn cost(entry: &LogEntry) -> u64 {
    entry.data.len() as u64 + OVERHEAD
}

impl Storage for MemoryLog {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let mut hard_state = raft::eraftpb::HardState::default();
        hard_state.term = self.hard_state.term;
        hard_state.vote = self.hard_state.vote;
        hard_state.commit = self.hard_state.commit.max(self.dropped.0);
        Ok(RaftState::new(hard_state, message::to_conf_state(&self.members)))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.dropped.0 {
            return Err(StorageError::Compacted.into());
        }
        let from = (low - self.dropped.0 - 1) as usize;
        let count = (high - low) as usize;
        let most = max_size.into().unwrap_or(u64::MAX);
        let mut size = 0;
        let fits = |entry: &&LogEntry| {
            size += cost(entry);
            size <= most || size == cost(entry)
        };
        Ok(self.entries.iter().skip(from).take(count).take_while(fits).map(to_raft).collect())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        match index.checked_sub(self.dropped.0) {
            Some(0) => Ok(self.dropped.1),
            Some(after) => match self.entries.get(after as usize - 1) {
                Some(entry) => Ok(entry.term),
                None => Err(StorageError::Unavailable.into()),
            },
            None => Err(StorageError::Compacted.into()),
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.dropped.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        // One from before a member was added does not name it, and it would refuse it; one from before the tail
        // leaves a gap.
        let fits = |point: &&SnapshotPoint| {
            point.index >= request_index.max(self.dropped.0) && point.members.contains(to)
        };
        match self.saved.as_ref().filter(fits) {
            Some(point) => Ok(message::to_snapshot(point)),
            None => {
                self.wanted.set(true);
                Err(StorageError::SnapshotTemporarilyUnavailable.into())
            }
        }
    }
}

pub(super) fn to_raft(entry: &LogEntry) -> Entry {
    let entry_type = match entry.kind {
        EntryKind::Commands => EntryType::EntryNormal,
        EntryKind::Membership => EntryType::EntryConfChangeV2,
    };
    let mut raft = Entry { index: entry.index, term: entry.term, entry_type, ..Entry::default() };
    // A change of membership travels as the context: nothing parses what raft calls its data.
    match entry.kind {
        EntryKind::Commands => raft.data = entry.data.clone().into(),
        EntryKind::Membership => raft.context = entry.data.clone().into(),
    }
    raft
}

pub(super) fn to_ours(mut entry: Entry) -> LogEntry {
    let kind = super::kind_of(entry.get_entry_type());
    let data = match kind {
        EntryKind::Commands => entry.take_data().to_vec(),
        EntryKind::Membership => entry.take_context().to_vec(),
    };
    LogEntry { index: entry.index, term: entry.term, kind, data }
}
