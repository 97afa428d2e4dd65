//! Raft, wrapped: values in, values out. No raft type leaves this folder, and `RawNode` is touched here alone.
//!
//! Between `ready()` and `advance_append_async()` nothing else touches the node. Entries go to the in-memory
//! log at once and to the disk by the driver; they count as written when the driver says so.

mod durable;
mod log;
mod timeouts;

pub use durable::{EntryKind, HardState, LogEntry, Persist, SnapshotPoint};

use log::MemoryLog;
use raft::eraftpb::EntryType;
use raft::{Config, RawNode, StateRole};
use thiserror::Error;

/// What a member starts from: all of it read back from the disk.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// The member's vote and term.
    pub hard_state: HardState,
    /// Where the snapshot stands that the state was loaded from.
    pub point: SnapshotPoint,
    /// The entries after it.
    pub entries: Vec<LogEntry>,
}

/// Consensus refused.
#[derive(Debug, Error)]
pub enum ConsensusError {
    /// What was read back from the disk does not fit together, or raft found it so.
    #[error("the consensus group cannot start from what is on the disk: {0}")]
    Start(raft::Error),
    /// This member does not lead, or steps down just now.
    #[error("this member does not lead the group")]
    NotLeader,
}

/// What became ready.
#[derive(Debug, Default)]
pub struct Drained {
    /// To be made durable, in this order.
    pub persist: Vec<Persist>,
    /// Committed: to be applied, in this order.
    pub committed: Vec<LogEntry>,
}

/// One member of the group.
pub struct Consensus {
    node: RawNode<MemoryLog>,
    id: u64,
    voters: u64,
}

impl Consensus {
    /// A member with this id of a group with these voters.
    pub fn new(id: u64, voters: &[u64], restored: Restored) -> Result<Consensus, ConsensusError> {
        let applied = restored.point.index;
        let mut point = restored.point;
        if point.voters.is_empty() {
            point.voters = voters.to_vec();
        }
        let voters = point.voters.len() as u64;
        let config = Config {
            id,
            election_tick: timeouts::ELECTION_TICKS,
            heartbeat_tick: timeouts::HEARTBEAT_TICKS,
            min_election_tick: timeouts::ELECTION_TICKS,
            max_election_tick: timeouts::max_ticks(voters),
            applied,
            check_quorum: true,
            pre_vote: true,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 256,
            ..Config::default()
        };
        let log = MemoryLog::new(restored.hard_state, point, restored.entries);
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let node = RawNode::new(&config, log, &logger).map_err(ConsensusError::Start)?;
        let mut member = Consensus { node, id, voters };
        member.pin_timeout();
        Ok(member)
    }

    /// Raft draws election time-outs from its thread's generator; a pure function takes its place.
    fn pin_timeout(&mut self) {
        let ticks = timeouts::election_ticks(self.id, self.node.raft.term, self.voters);
        self.node.raft.set_randomized_election_timeout(ticks);
    }

    /// Stands for election now; a group of one elects itself.
    pub fn campaign(&mut self) -> Result<(), ConsensusError> {
        let result = self.node.campaign().map_err(ConsensusError::Start);
        self.pin_timeout();
        result
    }

    /// Whether this member leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    /// The current term.
    pub fn term(&self) -> u64 {
        self.node.raft.term
    }

    /// Proposes an entry; gives back the index it will have.
    pub fn propose(&mut self, data: Vec<u8>) -> Result<u64, ConsensusError> {
        let result = self.node.propose(Vec::new(), data).map_err(|_| ConsensusError::NotLeader);
        self.pin_timeout();
        result.map(|()| self.node.raft.raft_log.last_index())
    }

    /// The write with this number, and all before it, are durable.
    pub fn persisted(&mut self, number: u64) {
        self.node.on_persist_ready(number);
        self.pin_timeout();
    }

    /// The entries up to and with `index` are applied; the oldest leave memory beyond `keep` bytes.
    pub fn applied(&mut self, index: u64, keep: u64) {
        self.node.advance_apply_to(index);
        self.node.mut_store().trim(index, keep);
        self.pin_timeout();
    }

    /// Where a snapshot up to the applied `index` stands.
    pub fn point(&self, index: u64) -> Option<SnapshotPoint> {
        self.node.store().point(index)
    }

    /// Bytes of entries held in memory.
    pub fn tail_bytes(&self) -> u64 {
        self.node.store().bytes()
    }

    /// Takes out all that became ready.
    pub fn drain(&mut self) -> Drained {
        let mut drained = Drained::default();
        while self.node.has_ready() {
            let mut ready = self.node.ready();
            let entries: Vec<LogEntry> = ready.take_entries().into_iter().map(log::to_ours).collect();
            let hard_state =
                ready.hs().map(|hs| HardState { term: hs.term, vote: hs.vote, commit: hs.commit });
            let must_sync = ready.must_sync();
            drained.committed.extend(ready.take_committed_entries().into_iter().map(log::to_ours));
            let store = self.node.mut_store();
            store.append(&entries);
            if let Some(hard_state) = hard_state {
                store.set_hard_state(hard_state);
            }
            // Every ready is told to the driver, so that its number comes back even when it holds nothing.
            drained.persist.push(Persist { number: ready.number(), hard_state, entries, must_sync });
            self.node.advance_append_async(ready);
            self.pin_timeout();
        }
        drained
    }
}

fn kind_of(entry: EntryType) -> EntryKind {
    match entry {
        EntryType::EntryNormal => EntryKind::Commands,
        EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => EntryKind::Membership,
    }
}
