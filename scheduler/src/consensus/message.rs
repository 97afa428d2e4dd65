//! What members of the group say to each other, as plain values. Bytes from a peer are decoded into these, and
//! only then become raft's own messages: its parser never sees them.

use super::durable::{LogEntry, Members, SnapshotPoint};
use super::log;
use raft::eraftpb::{ConfState, Message, MessageType, Snapshot};
use serde::{Deserialize, Serialize};

/// The group of a cluster's first region; every message carries its group's number, so that several can share
/// processes and connections.
pub const FIRST_GROUP: u64 = 1;

/// One message from member to member; see the Raft paper (Ongaro, Ousterhout 2014) for what the fields mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerMessage {
    /// The consensus group.
    pub group: u64,
    /// What kind.
    pub kind: PeerMessageKind,
    /// To this member.
    pub to: u64,
    /// From this one.
    pub from: u64,
    /// The sender's term; 0 where it does not matter.
    pub term: u64,
    /// The term of the entry at `index`.
    pub log_term: u64,
    /// The place in the log that it speaks of.
    pub index: u64,
    /// Entries to append after `index`.
    pub entries: Vec<LogEntry>,
    /// How far the sender knows the log to be committed.
    pub commit: u64,
    /// The term of the entry there.
    pub commit_term: u64,
    /// Where the snapshot stands that goes with it.
    pub snapshot: Option<SnapshotPoint>,
    /// A snapshot at or after this index is asked for; 0 when none is.
    pub request_snapshot: u64,
    /// Whether the answer is no.
    pub reject: bool,
    /// Where the logs may agree.
    pub reject_hint: u64,
    /// Comes back in the answer.
    #[serde(with = "serde_bytes")]
    pub context: Vec<u8>,
    /// Whether the sender's disk has room for new work. Raft does not know of it, and elections do not heed it.
    pub has_room: bool,
}

/// The kinds of message that travel between members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerMessageKind {
    /// A follower passes a proposal on.
    Propose,
    /// Entries.
    Append,
    /// What came of them.
    AppendResponse,
    /// A candidate asks for a vote.
    RequestVote,
    /// The vote.
    RequestVoteResponse,
    /// A snapshot goes with this.
    Snapshot,
    /// The leader is there.
    Heartbeat,
    /// So is the follower.
    HeartbeatResponse,
    /// A follower wants another leader.
    TransferLeader,
    /// Stand for election now.
    TimeoutNow,
    /// A follower asks how far a read must wait.
    ReadIndex,
    /// So far.
    ReadIndexResponse,
    /// Would you vote for me?
    RequestPreVote,
    /// Whether it would.
    RequestPreVoteResponse,
}

impl PeerMessageKind {
    fn to_raft(self) -> MessageType {
        match self {
            PeerMessageKind::Propose => MessageType::MsgPropose,
            PeerMessageKind::Append => MessageType::MsgAppend,
            PeerMessageKind::AppendResponse => MessageType::MsgAppendResponse,
            PeerMessageKind::RequestVote => MessageType::MsgRequestVote,
            PeerMessageKind::RequestVoteResponse => MessageType::MsgRequestVoteResponse,
            PeerMessageKind::Snapshot => MessageType::MsgSnapshot,
            PeerMessageKind::Heartbeat => MessageType::MsgHeartbeat,
            PeerMessageKind::HeartbeatResponse => MessageType::MsgHeartbeatResponse,
            PeerMessageKind::TransferLeader => MessageType::MsgTransferLeader,
            PeerMessageKind::TimeoutNow => MessageType::MsgTimeoutNow,
            PeerMessageKind::ReadIndex => MessageType::MsgReadIndex,
            PeerMessageKind::ReadIndexResponse => MessageType::MsgReadIndexResp,
            PeerMessageKind::RequestPreVote => MessageType::MsgRequestPreVote,
            PeerMessageKind::RequestPreVoteResponse => MessageType::MsgRequestPreVoteResponse,
        }
    }

    /// `None` for what a member says to itself alone.
    fn of(raft: MessageType) -> Option<PeerMessageKind> {
        Some(match raft {
            MessageType::MsgPropose => PeerMessageKind::Propose,
            MessageType::MsgAppend => PeerMessageKind::Append,
            MessageType::MsgAppendResponse => PeerMessageKind::AppendResponse,
            MessageType::MsgRequestVote => PeerMessageKind::RequestVote,
            MessageType::MsgRequestVoteResponse => PeerMessageKind::RequestVoteResponse,
            MessageType::MsgSnapshot => PeerMessageKind::Snapshot,
            MessageType::MsgHeartbeat => PeerMessageKind::Heartbeat,
            MessageType::MsgHeartbeatResponse => PeerMessageKind::HeartbeatResponse,
            MessageType::MsgTransferLeader => PeerMessageKind::TransferLeader,
            MessageType::MsgTimeoutNow => PeerMessageKind::TimeoutNow,
            MessageType::MsgReadIndex => PeerMessageKind::ReadIndex,
            MessageType::MsgReadIndexResp => PeerMessageKind::ReadIndexResponse,
            MessageType::MsgRequestPreVote => PeerMessageKind::RequestPreVote,
            MessageType::MsgRequestPreVoteResponse => PeerMessageKind::RequestPreVoteResponse,
            MessageType::MsgHup
            | MessageType::MsgBeat
            | MessageType::MsgUnreachable
            | MessageType::MsgSnapStatus
            | MessageType::MsgCheckQuorum => return None,
        })
    }
}

/// Raft's message as ours; `None` for what never leaves a member.
pub(super) fn to_ours(mut raft: Message) -> Option<PeerMessage> {
    let kind = PeerMessageKind::of(raft.get_msg_type())?;
    let entries = raft.take_entries().into_iter();
    // A read's context travels as the data of a single entry, which is no entry of the log.
    let read = matches!(kind, PeerMessageKind::ReadIndex | PeerMessageKind::ReadIndexResponse);
    let (context, entries) = match read {
        true => (entries.map(|mut entry| entry.take_data().to_vec()).next().unwrap_or_default(), Vec::new()),
        false => (raft.get_context().to_vec(), entries.map(log::to_ours).collect()),
    };
    let snapshot = raft.has_snapshot().then(|| to_point(raft.get_snapshot())).filter(|point| point.index > 0);
    Some(PeerMessage {
        group: FIRST_GROUP,
        kind,
        to: raft.to,
        from: raft.from,
        term: raft.term,
        log_term: raft.log_term,
        index: raft.index,
        entries,
        commit: raft.commit,
        commit_term: raft.commit_term,
        snapshot,
        request_snapshot: raft.request_snapshot,
        reject: raft.reject,
        reject_hint: raft.reject_hint,
        context,
        has_room: true,
    })
}

pub(super) fn to_raft(ours: PeerMessage) -> Message {
    let mut raft = Message::default();
    raft.set_msg_type(ours.kind.to_raft());
    raft.to = ours.to;
    raft.from = ours.from;
    raft.term = ours.term;
    raft.log_term = ours.log_term;
    raft.index = ours.index;
    raft.commit = ours.commit;
    raft.commit_term = ours.commit_term;
    raft.request_snapshot = ours.request_snapshot;
    raft.reject = ours.reject;
    raft.reject_hint = ours.reject_hint;
    match ours.kind {
        PeerMessageKind::ReadIndex | PeerMessageKind::ReadIndexResponse => {
            let entry = raft::eraftpb::Entry { data: ours.context.into(), ..Default::default() };
            raft.set_entries(vec![entry].into());
        }
        _ => {
            raft.set_entries(ours.entries.iter().map(log::to_raft).collect());
            raft.set_context(ours.context.into());
        }
    }
    if let Some(point) = &ours.snapshot {
        raft.set_snapshot(to_snapshot(point));
    }
    raft
}

/// A snapshot of raft's that carries its place and nothing else: the image travels beside it.
pub(super) fn to_snapshot(point: &SnapshotPoint) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let metadata = snapshot.mut_metadata();
    metadata.index = point.index;
    metadata.term = point.term;
    metadata.set_conf_state(to_conf_state(&point.members));
    snapshot
}

pub(super) fn to_point(snapshot: &Snapshot) -> SnapshotPoint {
    let metadata = snapshot.get_metadata();
    SnapshotPoint {
        index: metadata.index,
        term: metadata.term,
        members: to_members(metadata.get_conf_state()),
    }
}

pub(super) fn to_conf_state(members: &Members) -> ConfState {
    ConfState {
        voters: members.voters.clone(),
        learners: members.learners.clone(),
        voters_outgoing: members.outgoing.clone(),
        learners_next: members.learners_next.clone(),
        ..ConfState::default()
    }
}

pub(super) fn to_members(state: &ConfState) -> Members {
    // Raft keeps them in sets whose order differs from run to run.
    let sorted = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part
    };
    Members {
        voters: sorted(state.get_voters()),
        learners: sorted(state.get_learners()),
        outgoing: sorted(state.get_voters_outgoing()),
        learners_next: sorted(state.get_learners_next()),
    }
}
