//! Taking out of raft what became ready, and holding back what must not leave before the disk has it.

use super::durable::{EntryKind, HardState, LogEntry, Persist, SnapshotPoint};
use super::message::{self, PeerMessage};
use super::{Consensus, log};
use crate::mutants::{self, Mutant};
use raft::Ready;

/// What became ready.
#[derive(Debug, Default)]
pub struct Drained {
    /// To be made durable, in this order.
    pub persist: Vec<Persist>,
    /// For other members, to be sent now.
    pub messages: Vec<PeerMessage>,
    /// A snapshot takes the place of the state.
    pub installed: Option<SnapshotPoint>,
    /// Committed: to be applied, in this order.
    pub committed: Vec<LogEntry>,
    /// Reads, by their context: each waits until this index is applied.
    pub reads: Vec<(u64, Vec<u8>)>,
}

/// One round of raft's that the disk has not confirmed.
pub(super) struct Outstanding {
    number: u64,
    /// Whether anything leaves only once the disk has it; else it goes with the round before it.
    written: bool,
    messages: Vec<PeerMessage>,
    /// Committed entries that a change of membership is among: it takes effect only once it is durable that it is
    /// committed, or this member could come back with an outdated idea of who decides.
    committed: Vec<LogEntry>,
    snapshot: Option<SnapshotPoint>,
}

impl Outstanding {
    pub(super) fn is_written(&self) -> bool {
        self.written
    }

    pub(super) fn installs(&self) -> bool {
        self.snapshot.is_some()
    }
}

/// What a mutant leaves of what is to be written.
fn forgetful(hard_state: HardState) -> HardState {
    HardState {
        vote: if mutants::is(Mutant::ForgetVote) { 0 } else { hard_state.vote },
        term: if mutants::is(Mutant::ForgetTerm) { 0 } else { hard_state.term },
        ..hard_state
    }
}

impl Consensus {
    /// Takes out all that became ready.
    pub fn drain(&mut self) -> Drained {
        let mut drained = Drained::default();
        loop {
            while self.node.has_ready() {
                self.drain_one(&mut drained);
            }
            if !self.release(0, &mut drained) {
                return drained;
            }
        }
    }

    /// The write with this number, and all before it, are durable.
    pub fn persisted(&mut self, number: u64) -> Drained {
        let mut drained = Drained::default();
        self.release(number, &mut drained);
        drained
    }

    fn drain_one(&mut self, drained: &mut Drained) {
        let mut ready = self.node.ready();
        let entries: Vec<LogEntry> = ready.take_entries().into_iter().map(log::to_ours).collect();
        let hard_state = ready.hs().map(|hs| HardState { term: hs.term, vote: hs.vote, commit: hs.commit });
        let snapshot = Some(message::to_point(ready.snapshot())).filter(|point| point.index > 0);
        let committed: Vec<LogEntry> = ready.take_committed_entries().into_iter().map(log::to_ours).collect();
        let joins = committed.iter().any(|entry| entry.kind == EntryKind::Membership);
        let must_sync = ready.must_sync() || joins;
        let reads = ready.take_read_states().into_iter();
        drained.reads.extend(reads.map(|read| (read.index, read.request_ctx)));
        drained.messages.extend(ready.take_messages().into_iter().filter_map(message::to_ours));
        let mut held: Vec<PeerMessage> =
            ready.take_persisted_messages().into_iter().filter_map(message::to_ours).collect();
        if mutants::is(Mutant::AcknowledgeBeforeSync) {
            drained.messages.append(&mut held);
        }
        if mutants::is(Mutant::MuteFollower) {
            held.clear();
        }
        self.remember(&entries, hard_state, snapshot.as_ref(), joins);
        let hard_state = hard_state.or_else(|| joins.then(|| self.node.store().hard_state()));
        let number = ready.number();
        if hard_state.is_some() || !entries.is_empty() || snapshot.is_some() {
            let hard_state = hard_state.map(forgetful);
            let persist = Persist { number, hard_state, snapshot: snapshot.clone(), entries, must_sync };
            drained.persist.push(persist);
        }
        if let Some(point) = &snapshot {
            // It holds what waits for the disk to be applied.
            self.outstanding.iter_mut().for_each(|earlier| earlier.committed.clear());
            drained.committed.retain(|entry| entry.index > point.index);
        }
        drained.installed = snapshot.clone().or(drained.installed.take());
        let mut round =
            Outstanding { number, written: must_sync, messages: held, committed: Vec::new(), snapshot };
        // What comes after a change of membership waits with it.
        match joins || self.outstanding.iter().any(|earlier| !earlier.committed.is_empty()) {
            true => round.committed = committed,
            false => drained.committed.extend(committed),
        }
        self.outstanding.push_back(round);
        self.advance(ready);
    }

    fn remember(
        &mut self,
        entries: &[LogEntry],
        hard_state: Option<HardState>,
        snapshot: Option<&SnapshotPoint>,
        joins: bool,
    ) {
        let store = self.node.mut_store();
        if let Some(point) = snapshot {
            store.restart(point.clone());
        }
        store.append(entries);
        if let Some(hard_state) = hard_state {
            store.set_hard_state(hard_state);
        }
        if joins {
            let commit = self.node.raft.raft_log.committed;
            self.node.mut_store().raise_commit(commit);
        }
    }

    fn advance(&mut self, ready: Ready) {
        self.node.advance_append_async(ready);
        self.pin_timeout();
    }

    /// Lets go of what the disk has up to `number`, and of rounds behind it that wait for no disk.
    fn release(&mut self, number: u64, drained: &mut Drained) -> bool {
        let mut last = None;
        while let Some(round) = self.outstanding.front() {
            if round.number > number && round.written {
                break;
            }
            let Some(round) = self.outstanding.pop_front() else { break };
            drained.messages.extend(round.messages);
            drained.committed.extend(round.committed);
            last = Some((round.number, round.snapshot.map(|point| point.index)));
            if let Some((number, Some(index))) = last {
                self.node.on_persist_ready(number);
                self.node.raft.commit_apply(index);
            }
        }
        if let Some((number, _)) = last {
            self.node.on_persist_ready(number);
            self.pin_timeout();
        }
        last.is_some()
    }
}
