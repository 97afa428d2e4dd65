//! Raft, wrapped: values in, values out. No raft type leaves this folder, and `RawNode` is touched here alone.
//!
//! Between `ready()` and `advance_append_async()` nothing else touches the node. Entries go to the in-memory
//! log at once and to the disk by the driver; they count as written when the driver says so, and what promises
//! that they are leaves only then.

mod drain;
mod durable;
mod log;
mod membership;
mod message;
mod timeouts;

pub use drain::Drained;
pub use durable::{EntryKind, HardState, LogEntry, Members, Persist, SnapshotPoint};
pub use membership::{MembershipChange, Role};
pub use message::{FIRST_GROUP, PeerMessage, PeerMessageKind};

use crate::limits::Limits;
use crate::time::Millis;
use drain::Outstanding;
use log::MemoryLog;
use raft::eraftpb::{Entry, EntryType, Message, MessageType};
use raft::{Config, RawNode, SnapshotStatus, StateRole};
use std::collections::{BTreeSet, VecDeque};
use thiserror::Error;

/// What a member starts from: all of it read back from the disk.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
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
    /// What was read back is of a later release.
    #[error(transparent)]
    Version(crate::version::Unsupported),
    /// This member does not lead, or steps down just now.
    #[error("this member does not lead the group")]
    NotLeader,
}

/// How far a member has come, as the leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last entry that it is known to have.
    pub matched: u64,
    /// Whether it was heard of lately.
    pub active: bool,
}

/// One member of the group.
pub struct Consensus {
    node: RawNode<MemoryLog>,
    id: u64,
    outstanding: VecDeque<Outstanding>,
    ticked: u64,
}

impl Consensus {
    /// A member with this id; `founders` are the voters of a group that is new.
    pub fn new(
        id: u64,
        founders: &[u64],
        restored: Restored,
        now: Millis,
    ) -> Result<Consensus, ConsensusError> {
        let applied = restored.point.index;
        let mut point = restored.point;
        if point.members == Members::default() {
            point.members = Members::of(founders);
        }
        let config = Config {
            id,
            election_tick: timeouts::ELECTION_TICKS,
            heartbeat_tick: timeouts::HEARTBEAT_TICKS,
            min_election_tick: timeouts::ELECTION_TICKS,
            max_election_tick: timeouts::max_ticks(),
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
        let ticked = now.0 / timeouts::TICK_MS;
        let mut member = Consensus { node, id, outstanding: VecDeque::new(), ticked };
        member.pin_timeout();
        Ok(member)
    }

    /// Raft draws election time-outs from its thread's generator; a pure function takes its place.
    fn pin_timeout(&mut self) {
        let members = self.node.store().members();
        let ticks = match members.is_joint() {
            false => timeouts::election_ticks(self.id, self.node.raft.term, &members.voters),
            true => {
                let voters: BTreeSet<u64> = members.voters.iter().chain(&members.outgoing).copied().collect();
                let voters: Vec<u64> = voters.into_iter().collect();
                timeouts::election_ticks(self.id, self.node.raft.term, &voters)
            }
        };
        self.node.raft.set_randomized_election_timeout(ticks);
    }

    /// Lets raft's clock catch up; after a long pause of the process it does not count all of it.
    pub fn tick(&mut self, now: Millis) {
        let due = now.0 / timeouts::TICK_MS;
        let missed = due.saturating_sub(self.ticked);
        self.ticked = due.max(self.ticked);
        if !self.has_company()
            || self.is_installing()
            || (self.decides_alone() && !self.leads() && self.is_writing())
        {
            return;
        }
        for _ in 0..missed.min(2 * timeouts::max_ticks() as u64) {
            if self.node.tick() {
                self.pin_timeout();
            }
        }
    }

    /// When raft's clock has something to do next.
    pub fn next_tick(&self) -> Option<Millis> {
        if !self.has_company() {
            return None;
        }
        let raft = &self.node.raft;
        let left = match raft.state {
            StateRole::Leader => {
                let beat = raft.heartbeat_timeout().saturating_sub(raft.heartbeat_elapsed());
                beat.min(raft.election_timeout().saturating_sub(raft.election_elapsed))
            }
            StateRole::Follower | StateRole::Candidate | StateRole::PreCandidate => {
                raft.randomized_election_timeout().saturating_sub(raft.election_elapsed)
            }
        };
        Some(Millis((self.ticked + left.max(1) as u64) * timeouts::TICK_MS))
    }

    fn decides_alone(&self) -> bool {
        self.members().is_alone(self.id)
    }

    /// Whether something is on its way to the disk. One that decides alone would elect itself over it, which raft
    /// does not expect.
    fn is_writing(&self) -> bool {
        self.outstanding.iter().any(|round| round.is_written())
    }

    /// Whether a snapshot of another member is not on the disk yet. Raft, which has not applied it then, would look for
    /// entries that are gone if it stood for election.
    fn is_installing(&self) -> bool {
        self.outstanding.iter().any(|round| round.installs())
    }

    /// Whether there is anybody to talk to.
    fn has_company(&self) -> bool {
        let members = self.members();
        !(members.is_alone(self.id) && members.learners.is_empty())
    }

    /// Takes in what another member says; nonsense and messages of other groups are dropped.
    pub fn step(&mut self, message: PeerMessage) {
        // A proposal is its leader's own: one that was passed on could come twice.
        let foreign = message.group != FIRST_GROUP || message.kind == PeerMessageKind::Propose;
        // While a snapshot is on its way to the disk, raft cannot stand for election.
        let too_soon = message.kind == PeerMessageKind::TimeoutNow && self.is_installing();
        if foreign || too_soon || message.to != self.id {
            return;
        }
        // An answer from one that is no member any more is refused by raft, and needs no answer.
        let _stale = self.node.step(message::to_raft(message));
        self.pin_timeout();
    }

    /// One that decides alone and does not lead elects itself at once; tells whether it has.
    pub fn elect_alone(&mut self) -> bool {
        if !self.decides_alone() || self.leads() || self.is_writing() {
            return false;
        }
        let _refused = self.node.campaign();
        self.pin_timeout();
        self.leads()
    }

    /// Another member cannot be reached just now.
    pub fn unreachable(&mut self, peer: u64) {
        self.node.report_unreachable(peer);
        self.pin_timeout();
    }

    /// A snapshot was delivered to another member, or was not.
    pub fn snapshot_sent(&mut self, to: u64, delivered: bool) {
        let status = if delivered { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
        self.node.report_snapshot(to, status);
        self.pin_timeout();
    }

    /// Gives leadership to this voter.
    pub fn transfer(&mut self, to: u64) {
        self.node.transfer_leader(to);
        self.pin_timeout();
    }

    /// Whether leadership is being given away: no proposal is taken meanwhile.
    pub fn is_transferring(&self) -> bool {
        self.node.raft.lead_transferee.is_some()
    }

    /// Asks how far a linearizable read must wait; the answer comes by `Drained::reads`. May be lost.
    pub fn read(&mut self, context: Vec<u8>) {
        self.node.read_index(context);
        self.pin_timeout();
    }

    /// Whether this member leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    /// Who leads, as far as this member knows.
    pub fn leader(&self) -> Option<u64> {
        Some(self.node.raft.leader_id).filter(|id| *id != 0)
    }

    /// The current term.
    pub fn term(&self) -> u64 {
        self.node.raft.term
    }

    /// Who is a member, as far as the log is applied.
    pub fn members(&self) -> &Members {
        self.node.store().members()
    }

    /// The last entry of the log, committed or not.
    pub fn last_index(&self) -> u64 {
        self.node.raft.raft_log.last_index()
    }

    /// How far the log is known to be committed.
    pub fn committed(&self) -> u64 {
        self.node.raft.raft_log.committed
    }

    /// How far another member has come; only a leader knows.
    pub fn progress(&self, id: u64) -> Option<Progress> {
        let progress = self.node.raft.prs().get(id).filter(|_| self.leads())?;
        Some(Progress { matched: progress.matched, active: progress.recent_active })
    }

    /// Proposes an entry; gives back the index it will have.
    pub fn propose(&mut self, data: Vec<u8>) -> Result<u64, ConsensusError> {
        if !self.leads() {
            return Err(ConsensusError::NotLeader);
        }
        let result = self.node.propose(Vec::new(), data).map_err(|_| ConsensusError::NotLeader);
        self.pin_timeout();
        result.map(|()| self.last_index())
    }

    /// Proposes a change of membership; raft drops it while an earlier one is not applied.
    pub fn propose_membership(&mut self, change: &MembershipChange) {
        if !self.leads() {
            return;
        }
        let mut entry = Entry::default();
        entry.set_entry_type(EntryType::EntryConfChangeV2);
        entry.data = change.to_proposal().into();
        entry.context = change.encode().into();
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.id;
        message.set_entries(vec![entry].into());
        // What is dropped is proposed again by the next look at who wishes to be a member.
        let _dropped = self.node.raft.step(message);
        self.pin_timeout();
    }

    /// Whether a change of membership is on its way.
    pub fn is_changing(&self) -> bool {
        self.node.raft.has_pending_conf()
    }

    /// A committed change of membership takes effect.
    pub fn apply_membership(&mut self, entry: &LogEntry) {
        let change = MembershipChange::decode(&entry.data).to_raft();
        // Raft has checked it when it was proposed; one that it refuses now changes nothing on any member.
        if let Ok(state) = self.node.apply_conf_change(&change) {
            self.node.mut_store().set_members(message::to_members(&state));
        }
        self.pin_timeout();
    }

    /// The entries up to and with `index` are applied; the oldest leave memory, unless a follower needs them.
    pub fn applied(&mut self, index: u64, limits: &Limits) {
        self.node.raft.commit_apply(index);
        let company = self.has_company();
        let keep = if company { limits.replicated_tail_bytes } else { limits.tail_bytes };
        let mut floor = index;
        if company && self.leads() {
            let slowest = self.node.raft.prs().iter().map(|(_, progress)| progress.matched).min();
            let dropped = self.node.store().dropped();
            let behind =
                self.node.raft.prs().iter().any(|(_, other)| other.recent_active && other.matched < dropped);
            let store = self.node.mut_store();
            // Else the snapshot that one waits for would be outdated by the time it is made, again and again.
            let upto = if behind { index.min(store.snapshot_reaches()) } else { index };
            store.trim(upto, limits.lagging_bytes.max(keep));
            floor = floor.min(slowest.unwrap_or(index));
        }
        self.node.mut_store().trim(floor, keep);
        self.pin_timeout();
    }

    /// Where a snapshot up to the applied `index` stands.
    pub fn point(&self, index: u64) -> Option<SnapshotPoint> {
        self.node.store().point(index)
    }

    /// A snapshot up to this index is being made.
    pub fn making(&mut self, index: u64) {
        self.node.mut_store().set_making(index);
    }

    /// A snapshot is durable here, and may be sent to others.
    pub fn saved(&mut self, point: SnapshotPoint) {
        self.node.mut_store().set_saved(point);
    }

    /// Whether a member needs a newer snapshot than there is.
    pub fn wants_snapshot(&self) -> bool {
        self.node.store().is_wanted()
    }
}

fn kind_of(entry: EntryType) -> EntryKind {
    match entry {
        EntryType::EntryNormal => EntryKind::Commands,
        EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => EntryKind::Membership,
    }
}
