//! Membership follows what the table of controllers wishes; the leader sees to it, a step at a time.

use super::Core;
use crate::command::{Command, Observation, PlanCommand};
use crate::consensus::{LogEntry, PeerMessageKind};
use crate::controllers::ControllerCard;
use crate::effect::Effect;
use crate::ids::ControllerId;
use crate::plan::membership::{self, Standing, Step};

impl Core {
    pub(super) fn apply_membership(&mut self, entry: &LogEntry) {
        let before = self.consensus.members().contains(self.id);
        self.consensus.apply_membership(entry);
        self.state.skip(entry.index);
        self.effects.push_back(Effect::Members);
        // One that has not been added yet reads the whole log as one that is no member.
        if before && !self.consensus.members().contains(self.id) {
            self.deaf = true;
            self.effects.push_back(Effect::Removed);
        }
    }

    /// The leader takes the next step from who is a member to who should be.
    /// Tells whether it told raft anything.
    pub(super) fn tend_membership(&mut self) -> bool {
        if self.leading.is_none() || self.consensus.is_changing() || self.consensus.is_transferring() {
            return false;
        }
        let consensus = &self.consensus;
        let members = consensus.members();
        if !members.is_joint() && membership::is_settled(&self.state, members) {
            return false;
        }
        let progress = |id: ControllerId| consensus.progress(id.0);
        let standing =
            Standing { own: self.id(), members, committed: consensus.committed(), progress: &progress };
        match membership::next(&self.state, &standing) {
            Some(Step::Change(change)) => self.consensus.propose_membership(&change),
            Some(Step::Transfer(to)) => self.consensus.transfer(to.0),
            Some(Step::Forget(id)) => {
                let command = Command::Plan(PlanCommand::ForgetController { id });
                if !self.waiting.iter().any(|(waiting, _)| *waiting == command) && self.in_flight.is_empty() {
                    self.waiting.push_back((command, None));
                }
            }
            None => {}
        }
        self.consensus.is_changing() || self.consensus.is_transferring()
    }

    /// Gives leadership away: to this member, or to the voter that has come furthest.
    pub(crate) fn transfer(&mut self, to: Option<ControllerId>) {
        let best = || {
            let others = self.consensus.members().voters.iter().copied().filter(|id| *id != self.id);
            let come =
                |id: &u64| self.consensus.progress(*id).map(|progress| (progress.active, progress.matched));
            others.max_by_key(come)
        };
        if self.consensus.leads()
            && let Some(to) = to.map(|id| id.0).or_else(best)
        {
            self.consensus.transfer(to);
        }
    }

    /// A member says where it is.
    pub(crate) fn peer_said(&mut self, peer: ControllerId, card: ControllerCard) {
        self.cards.insert(peer, card);
        self.tell_cards();
    }

    /// What the table does not know yet goes into the log.
    pub(super) fn tell_cards(&mut self) {
        if self.leading.is_none() {
            return;
        }
        let news = self
            .cards
            .iter()
            .filter(|(id, card)| self.state.controller(**id).is_some_and(|known| known.card != **card));
        let news: Vec<(ControllerId, ControllerCard)> = news.map(|(id, card)| (*id, card.clone())).collect();
        for (id, card) in news {
            self.observe(Observation::ControllerSeen { id, card });
        }
    }

    /// Messages of a member are taken in; a snapshot comes with its state, by another way.
    pub(crate) fn peer(&mut self, message: crate::consensus::PeerMessage) {
        if message.kind != PeerMessageKind::Snapshot {
            self.hear_room(&message);
            self.consensus.step(message);
        }
    }
}
