//! Who is a member comes to be who should be: no two majorities decide together for long, who wishes to vote and is
//! there votes, and who is to go goes. Only those that could not decide without it excuse that one stays.

use super::Demand;
use crate::clock::Micros;
use crate::world::World;
use std::collections::BTreeSet;
use tidegate_scheduler::State;
use tidegate_scheduler::consensus::Members;
use tidegate_scheduler::controllers::Wish;
use tidegate_scheduler::ids::ControllerId;

/// A controller this close to the newest entry has caught up.
const CAUGHT_UP: u64 = 50;

/// Membership settles.
#[derive(Default)]
pub(super) struct MembershipSettles {
    missing: Option<(String, Micros)>,
}

/// Whether most of these are there.
fn decide(voters: &BTreeSet<u64>, there: &BTreeSet<u64>) -> bool {
    voters.intersection(there).count() * 2 > voters.len()
}

/// What is not as it should be. `there` are those that are up and have caught up.
fn unsettled(state: &State, members: &Members, there: &BTreeSet<u64>) -> Option<String> {
    if members.is_joint() {
        return Some(format!("two majorities decide together: {members:?}"));
    }
    let wish = |id: u64| state.controller(ControllerId(id)).map(|it| it.wish);
    for (id, it) in state.controllers() {
        let (votes, follows) = (members.voters.contains(&id.0), members.learners.contains(&id.0));
        match it.wish {
            Wish::Voter if !votes && !follows => return Some(format!("{id} is to vote, and is no member")),
            Wish::Voter if !votes && there.contains(&id.0) => {
                return Some(format!("{id} is to vote and is there, and only follows"));
            }
            Wish::Learner if !follows => return Some(format!("{id} is to follow, and does not")),
            Wish::Leaving if !members.contains(id.0) => {
                return Some(format!("{id} is no member any more, and is still in the table"));
            }
            Wish::Voter | Wish::Learner | Wish::Leaving => {}
        }
    }
    if let Some(id) = members.all().into_iter().find(|id| wish(*id).is_none()) {
        return Some(format!("{id} is a member, and is not in the table"));
    }
    let mut leaving = members.all().into_iter().filter(|id| wish(*id) == Some(Wish::Leaving));
    leaving.find(|id| may_go(*id, state, members, there)).map(|id| format!("{id} is to go, and does not"))
}

/// Whether a member that is to go could, by itself: who takes its place votes, and those that are left decide.
fn may_go(id: u64, state: &State, members: &Members, there: &BTreeSet<u64>) -> bool {
    let awaited = |(other, it): (ControllerId, &tidegate_scheduler::controllers::Controller)| {
        it.replaces == Some(ControllerId(id)) && it.wish == Wish::Voter && !members.voters.contains(&other.0)
    };
    let left: BTreeSet<u64> = members.voters.iter().copied().filter(|voter| *voter != id).collect();
    !state.controllers().any(awaited) && decide(&left, there)
}

impl Demand for MembershipSettles {
    fn within(&self) -> Micros {
        Micros::seconds(120)
    }

    fn since(&self) -> Micros {
        self.missing.as_ref().map_or(Micros(0), |(_, since)| *since)
    }

    fn missing(&mut self, world: &World, _: Micros) -> Option<String> {
        let newest = world.reference.index();
        let has_come = |id: &u64| {
            let core = world.controllers.get(id).filter(|it| it.is_up()).and_then(|it| it.core.as_ref());
            core.is_some_and(|core| core.state().applied() + CAUGHT_UP >= newest)
        };
        let there: BTreeSet<u64> = world.core.iter().copied().filter(has_come).collect();
        let now = world.now();
        let what = unsettled(world.reference.state(), &world.members, &there);
        self.missing = what.map(|what| match self.missing.take() {
            Some((known, since)) if known == what => (known, since),
            _ => (what, now),
        });
        self.missing.as_ref().map(|(what, since)| {
            format!("membership: {what} since {since:?}; {:?} of which {there:?} are there", world.members)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{applied, asked};
    use tidegate_scheduler::command::{ClientCommand, Command, PlanCommand};

    fn group(commands: Vec<ClientCommand>) -> State {
        let mut state = State::founded(&[1, 2, 3]);
        applied(&mut state, commands.into_iter().map(asked).collect());
        state
    }

    fn judged(state: &State, members: &Members, there: &[u64]) -> Option<String> {
        unsettled(state, members, &there.iter().copied().collect())
    }

    #[test]
    fn a_group_that_is_as_it_should_be_is_settled() {
        assert_eq!(judged(&group(vec![]), &Members::of(&[1, 2, 3]), &[1, 2]), None);
    }

    #[test]
    fn two_majorities_for_ever_are_found() {
        let joint = Members { outgoing: vec![1, 2, 3], ..Members::of(&[1, 2]) };
        assert!(judged(&group(vec![]), &joint, &[1, 2, 3]).is_some());
    }

    #[test]
    fn a_learner_that_is_to_vote_is_found_once_it_is_there() {
        let state = group(vec![ClientCommand::AddController { voter: true, replaces: None }]);
        let members = Members { learners: vec![4], ..Members::of(&[1, 2, 3]) };
        assert!(judged(&state, &Members::of(&[1, 2, 3]), &[1, 2, 3]).is_some(), "it does not even follow");
        assert_eq!(judged(&state, &members, &[1, 2, 3]), None, "it is not there");
        assert!(judged(&state, &members, &[1, 2, 3, 4]).is_some());
    }

    #[test]
    fn one_that_is_to_go_is_found_unless_those_left_could_not_decide() {
        let mut state = group(vec![ClientCommand::RemoveController { id: ControllerId(3) }]);
        assert!(judged(&state, &Members::of(&[1, 2, 3]), &[1, 2]).is_some());
        assert_eq!(judged(&state, &Members::of(&[1, 2, 3]), &[1, 3]), None, "1 alone decides nothing");
        assert!(judged(&state, &Members::of(&[1, 2]), &[1, 2]).is_some(), "it is still in the table");
        applied(&mut state, vec![Command::Plan(PlanCommand::ForgetController { id: ControllerId(3) })]);
        assert!(judged(&state, &Members::of(&[1, 2, 3]), &[1, 2]).is_some(), "it is still a member");
        assert_eq!(judged(&state, &Members::of(&[1, 2]), &[1, 2]), None);
    }

    #[test]
    fn one_whose_successor_does_not_vote_yet_stays() {
        let replaces = Some(ControllerId(3));
        let state = group(vec![ClientCommand::AddController { voter: true, replaces }]);
        let members = Members { learners: vec![4], ..Members::of(&[1, 2, 3]) };
        assert_eq!(judged(&state, &members, &[1, 2, 3]), None);
        let both = Members::of(&[1, 2, 3, 4]);
        assert!(judged(&state, &both, &[1, 2, 4]).is_some());
    }
}
