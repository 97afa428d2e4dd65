//! What consensus asks a driver to make durable, as plain values: no raft type crosses this line.

use serde::{Deserialize, Serialize};

/// The part of a member's memory that an election depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardState {
    /// The newest term seen.
    pub term: u64,
    /// Whom this member voted for in that term; 0 for nobody.
    pub vote: u64,
    /// The highest index known to be committed.
    pub commit: u64,
}

/// What an entry of the log carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// A batch of commands, or nothing (a new leader's first entry).
    Commands,
    /// A change of membership.
    Membership,
}

/// One entry of the replicated log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its place; consecutive, from 1.
    pub index: u64,
    /// The term it was proposed in.
    pub term: u64,
    /// How to read `data`.
    pub kind: EntryKind,
    /// The encoded content; may be empty.
    #[serde(with = "serde_bytes")]
    pub data: Vec<u8>,
}

/// Where a snapshot stands in the log, and who was a member then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPoint {
    /// The last index that the snapshot contains.
    pub index: u64,
    /// The term of that index.
    pub term: u64,
    /// The members that vote.
    pub voters: Vec<u64>,
    /// The members that only follow.
    pub learners: Vec<u64>,
}

/// One write to the durable log, in the order given: what it holds must be synced before
/// `Input::Persisted` with its number is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persist {
    /// Counts up by one from 1 in each life of a process.
    pub number: u64,
    /// The new hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// Entries to append; the first may overwrite entries at and after its index.
    pub entries: Vec<LogEntry>,
    /// Whether a sync is needed: false when only `commit` moved.
    pub must_sync: bool,
}
