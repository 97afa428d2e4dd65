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
    /// Who was a member.
    pub members: Members,
}

/// Who is a member of the group at some place in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// Those that vote.
    pub voters: Vec<u64>,
    /// Those that only follow.
    pub learners: Vec<u64>,
    /// Those that voted before; not empty while two majorities decide together.
    pub outgoing: Vec<u64>,
    /// Those that will only follow once the outgoing ones no longer vote.
    pub learners_next: Vec<u64>,
}

impl Members {
    /// A group of voters.
    pub fn of(voters: &[u64]) -> Members {
        Members { voters: voters.to_vec(), ..Members::default() }
    }

    /// Whether this one is a member in any way.
    pub fn contains(&self, id: u64) -> bool {
        [&self.voters, &self.learners, &self.outgoing, &self.learners_next]
            .into_iter()
            .any(|part| part.contains(&id))
    }

    /// Whether this one votes.
    pub fn votes(&self, id: u64) -> bool {
        self.voters.contains(&id) || self.outgoing.contains(&id)
    }

    /// Whether two majorities decide together.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether this one decides by itself.
    pub fn is_alone(&self, id: u64) -> bool {
        self.voters == [id] && self.outgoing.is_empty()
    }

    /// All members, each once, in order.
    pub fn all(&self) -> std::collections::BTreeSet<u64> {
        let parts = [&self.voters, &self.learners, &self.outgoing, &self.learners_next];
        parts.into_iter().flatten().copied().collect()
    }
}

/// One write to the durable log, in the order given: what it holds must be synced before
/// `Input::Persisted` with its number is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persist {
    /// Counts up by one from 1 in each life of a process.
    pub number: u64,
    /// The new hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// The log begins again after this point, whose image is durable already: all that it holds goes.
    pub snapshot: Option<SnapshotPoint>,
    /// Entries to append; the first may overwrite entries at and after its index.
    pub entries: Vec<LogEntry>,
    /// Whether a sync is needed: false when only `commit` moved.
    pub must_sync: bool,
}
