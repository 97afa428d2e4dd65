//! A leader whose disk has no room gives leadership to a voter that has room.
//!
//! Each member says with its answers to the leader whether it has room. Elections do not heed it: a voter with
//! room and an older log must never be in the way of the only one that can lead.

use super::Core;
use crate::consensus::{PeerMessage, PeerMessageKind};
use crate::controllers::Wish;
use crate::ids::ControllerId;
use crate::plan::membership::has_caught_up;
use crate::time::Millis;
use std::collections::BTreeSet;

/// How long a leader that gave leadership away in vain waits before it does so again: while it tries, nothing is planned.
const TRY_AGAIN: Millis = Millis::seconds(5);

/// Who has room, as far as the leader has heard since it leads.
#[derive(Default)]
pub(super) struct Rooms {
    with_room: BTreeSet<u64>,
    not_before: Millis,
}

fn is_answer(kind: PeerMessageKind) -> bool {
    matches!(kind, PeerMessageKind::AppendResponse | PeerMessageKind::HeartbeatResponse)
}

impl Core {
    /// Says with what goes to another member whether there is room here.
    pub(super) fn tell_room(&self, message: &mut PeerMessage) {
        message.has_room = self.pressure.is_none();
    }

    /// Another member says whether it has room.
    pub(super) fn hear_room(&mut self, message: &PeerMessage) {
        if self.leading.is_none() || message.term != self.consensus.term() || !is_answer(message.kind) {
            return;
        }
        match message.has_room {
            true => self.rooms.with_room.insert(message.from),
            false => self.rooms.with_room.remove(&message.from),
        };
    }

    /// Gives leadership away if there is no room here, and another voter has some and has caught up.
    /// Tells whether it did.
    pub(super) fn make_way(&mut self) -> bool {
        let now = self.moment.elapsed;
        if self.pressure.is_none()
            || self.leading.is_none()
            || self.consensus.is_changing()
            || self.consensus.is_transferring()
            || self.rooms.not_before > now
        {
            return false;
        }
        let committed = self.consensus.committed();
        let progress = |id: &u64| self.consensus.progress(*id);
        let fits = |id: &u64| {
            *id != self.id
                && self.rooms.with_room.contains(id)
                && self.state.controller(ControllerId(*id)).is_none_or(|other| other.wish == Wish::Voter)
                && progress(id).is_some_and(|come| has_caught_up(&come, committed))
        };
        let voters = self.consensus.members().voters.iter().copied().filter(fits);
        let Some(to) = voters.max_by_key(|id| progress(id).map(|come| come.matched)) else {
            return false;
        };
        self.rooms.not_before = now.after(TRY_AGAIN);
        self.consensus.transfer(to);
        self.consensus.is_transferring()
    }
}
