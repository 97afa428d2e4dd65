//! Who operates the cluster: brings up new controllers, replaces those that lost their disks, stops those that left.

use super::World;
use super::happening::CallKind;
use crate::clock::Micros;
use crate::controller::Status;
use crate::random::Random;
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::controllers::Wish;
use tidegate_scheduler::ids::ControllerId;
use tidegate_scheduler::plan::membership::is_settled;

/// The operator's own client.
const OPERATOR: u64 = 99;
/// No more controllers than this at once.
const MOST: usize = 7;
/// A controller that left and does not know is stopped by hand after so long.
const STOPPED_AFTER: Micros = Micros::seconds(60);

impl World {
    /// Each second: asks for successors of those that refuse to start, and stops those that are no member any more.
    pub(super) fn tend_replacements(&mut self) {
        let now = self.now();
        let state = self.reference.state();
        let mut asks = Vec::new();
        for (id, controller) in &mut self.controllers {
            let known = state.controller(ControllerId(*id));
            let left = known.is_none() && !self.members.contains(*id);
            match &controller.status {
                Status::Refuses(_) if !controller.replacing && known.is_some() => {
                    controller.replacing = true;
                    let voter = known.is_some_and(|known| known.wish == Wish::Voter);
                    asks.push((*id, voter));
                }
                Status::Up if left && state.has_left(ControllerId(*id)) => {
                    let since = *controller.left_since.get_or_insert(now);
                    if now.since(since) > STOPPED_AFTER {
                        controller.status = Status::Gone;
                        controller.core = None;
                    }
                }
                _ => {}
            }
        }
        for (id, voter) in asks {
            self.ask_to_replace(id, voter);
        }
    }

    pub(super) fn ask_to_replace(&mut self, id: u64, voter: bool) {
        let command = ClientCommand::AddController { voter, replaces: Some(ControllerId(id)) };
        let what = CallKind::Command { key: self.draw_key(), command: Box::new(command) };
        self.ask(OPERATOR, what, Some(id));
    }

    pub(super) fn ask_as_operator(&mut self, command: ClientCommand) {
        let what = CallKind::Command { key: self.draw_key(), command: Box::new(command) };
        self.ask(OPERATOR, what, None);
    }

    /// A new controller may join: it is started on an empty disk.
    pub(super) fn found_controller(&mut self, id: u64, replaces: Option<u64>) {
        if self.controllers.contains_key(&id) {
            return;
        }
        if let Some(old) = replaces {
            self.replacements.push((old, id, self.is_sound(old)));
        }
        self.add_controller(id);
        if self.healed {
            self.core.insert(id);
        }
        self.start(id);
    }

    /// A controller that may be taken out without taking more than a client should.
    pub(super) fn whom_to_remove(&mut self, dice: u64) -> Option<ClientCommand> {
        let state = self.reference.state();
        let voters = state.controllers().filter(|(_, known)| known.wish == Wish::Voter).count();
        let stays = |(id, known): &(ControllerId, &tidegate_scheduler::controllers::Controller)| {
            known.wish == Wish::Learner || (known.wish == Wish::Voter && voters > 2 && self.is_sound(id.0))
        };
        let mut candidates: Vec<ControllerId> = state.controllers().filter(stays).map(|(id, _)| id).collect();
        if !self.all_sound() {
            candidates.retain(|id| state.controller(*id).is_some_and(|known| known.wish == Wish::Learner));
        }
        Random::new(dice).pick(&candidates).map(|id| ClientCommand::RemoveController { id: *id })
    }

    /// Whether all is well enough to replace one that is well, too.
    pub(super) fn may_damage_nobody(&self) -> bool {
        self.all_sound() && is_settled(self.reference.state(), &self.members)
    }

    /// Whether one more may be added.
    pub(super) fn may_add(&self) -> bool {
        self.reference.state().controllers().count() < MOST
    }

    /// Whether a controller has all that it ever acknowledged.
    pub(super) fn is_sound(&self, id: u64) -> bool {
        self.controllers.get(&id).is_some_and(|controller| {
            !matches!(controller.status, Status::Refuses(_) | Status::Gone) && controller.disk.is_sound()
        })
    }

    fn all_sound(&self) -> bool {
        self.members.voters.iter().chain(&self.members.outgoing).all(|id| self.is_sound(*id))
    }

    /// Whether what this controller acknowledged may be damaged: only of a minority, and while nobody changes who is
    /// a member.
    pub(super) fn may_damage(&self, id: u64) -> bool {
        let members = &self.members;
        let settled = is_settled(self.reference.state(), members) && !members.is_joint();
        let changing = self.requests.iter().any(super::Request::changes_members);
        let agreed = self.controllers.values().all(|other| match other.core.as_ref() {
            Some(core) => core.members() == members || !members.contains(other.member.id),
            None => true,
        });
        if !settled || changing || !agreed || !self.is_sound(id) {
            return false;
        }
        if !members.votes(id) {
            return true;
        }
        let unsound = members.voters.iter().filter(|voter| !self.is_sound(**voter)).count();
        2 * (unsound + 1) < members.voters.len()
    }
}
