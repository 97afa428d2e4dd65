//! The table of controllers. Who votes changes by entries of their own, which the leader proposes after this.

use super::{Applying, State, Touched};
use crate::controllers::{Controller, ControllerCard, Wish};
use crate::effect::Outcome;
use crate::ids::ControllerId;
use crate::refusal::Refusal;

impl State {
    pub(super) fn add_controller(
        &mut self,
        voter: bool,
        replaces: Option<ControllerId>,
        at: &mut Applying<'_>,
    ) -> Result<Outcome, Refusal> {
        let stays = |(id, controller): &(ControllerId, &Controller)| {
            controller.wish == Wish::Voter && Some(*id) != replaces
        };
        if let Some(old) = replaces
            && !voter
            && !self.controllers.iter().any(|other| stays(&other))
        {
            return Err(Refusal::LastVoter(old));
        }
        if let Some(old) = replaces {
            let known = self.controllers.get_mut(&old).ok_or(Refusal::UnknownController(old))?;
            known.wish = Wish::Leaving;
        }
        self.next_controller += 1;
        let id = ControllerId(self.next_controller);
        let wish = if voter { Wish::Voter } else { Wish::Learner };
        self.controllers.insert(id, Controller { card: ControllerCard::default(), wish, replaces });
        at.touch(Touched::Controllers);
        Ok(Outcome::Controller { id })
    }

    pub(super) fn remove_controller(
        &mut self,
        id: ControllerId,
        at: &mut Applying<'_>,
    ) -> Result<Outcome, Refusal> {
        let votes = |controller: &Controller| controller.wish == Wish::Voter;
        let voters = self.controllers.iter().filter(|(_, controller)| votes(controller)).count();
        let known = self.controllers.get_mut(&id).ok_or(Refusal::UnknownController(id))?;
        if votes(known) && voters == 1 {
            return Err(Refusal::LastVoter(id));
        }
        known.wish = Wish::Leaving;
        at.touch(Touched::Controllers);
        Ok(Outcome::Done)
    }

    pub(super) fn controller_seen(&mut self, id: ControllerId, card: &ControllerCard, at: &mut Applying<'_>) {
        if let Some(controller) = self.controllers.get_mut(&id) {
            controller.card = card.clone();
            at.touch(Touched::Controllers);
        }
    }

    pub(super) fn forget_controller(&mut self, id: ControllerId, at: &mut Applying<'_>) -> bool {
        let leaving = self.controllers.get(&id).is_some_and(|controller| controller.wish == Wish::Leaving);
        if leaving {
            self.controllers.remove(&id);
            at.touch(Touched::Controllers);
        }
        leaving
    }

    /// Only to what every controller supports; never back.
    pub(super) fn raise_version(&mut self, to: u32) -> bool {
        let fits = to > self.version && self.controllers.iter().all(|(_, known)| known.card.supports >= to);
        if fits {
            self.version = to;
        }
        fits
    }
}
