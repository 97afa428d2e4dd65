//! The part of the log that is in memory: what is not applied yet, and a tail of what is.

use super::durable::{EntryKind, HardState, LogEntry, SnapshotPoint};
use raft::eraftpb::{ConfState, Entry, EntryType, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError};
use std::collections::VecDeque;

/// What an entry costs in memory beside its data.
const OVERHEAD: u64 = 64;

pub(super) struct MemoryLog {
    hard_state: HardState,
    voters: Vec<u64>,
    learners: Vec<u64>,
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
            voters: point.voters,
            learners: point.learners,
            dropped: (point.index, point.term),
            entries: entries.into(),
            bytes,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
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
        Some(SnapshotPoint { index, term, voters: self.voters.clone(), learners: self.learners.clone() })
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
        let members = ConfState {
            voters: self.voters.clone(),
            learners: self.learners.clone(),
            ..ConfState::default()
        };
        Ok(RaftState::new(hard_state, members))
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

    fn snapshot(&self, _: u64, _: u64) -> raft::Result<Snapshot> {
        Err(StorageError::SnapshotTemporarilyUnavailable.into())
    }
}

fn to_raft(entry: &LogEntry) -> Entry {
    let entry_type = match entry.kind {
        EntryKind::Commands => EntryType::EntryNormal,
        EntryKind::Membership => EntryType::EntryConfChangeV2,
    };
    let data = entry.data.clone().into();
    Entry { index: entry.index, term: entry.term, entry_type, data, ..Entry::default() }
}

pub(super) fn to_ours(mut entry: Entry) -> LogEntry {
    LogEntry {
        index: entry.index,
        term: entry.term,
        kind: super::kind_of(entry.get_entry_type()),
        data: entry.take_data().to_vec(),
    }
}
