//! The next step from who is a member of the group to who should be.
//!
//! A new member follows first, and votes once it has caught up, so that it never holds up a majority. One that goes
//! is taken out in the same change in which its successor begins to vote. A leader gives leadership away before it goes.

use crate::consensus::{Members, MembershipChange, Progress, Role};
use crate::controllers::{Controller, Wish};
use crate::ids::ControllerId;
use crate::mutants::{self, Mutant};
use crate::state::State;
use crate::version;
use std::collections::BTreeSet;

/// A learner this close to what is committed has caught up.
const CAUGHT_UP: u64 = 100;

/// What the leader knows of the group.
pub struct Standing<'a> {
    /// The leader itself.
    pub own: ControllerId,
    /// Who is a member now.
    pub members: &'a Members,
    /// How far the log is committed.
    pub committed: u64,
    /// How far each member has come.
    pub progress: &'a dyn Fn(ControllerId) -> Option<Progress>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Change who is a member.
    Change(MembershipChange),
    /// Give leadership to this one first.
    Transfer(ControllerId),
    /// It is no member any more: drop it from the table.
    Forget(ControllerId),
}

/// Whether all are what they should be.
pub fn is_settled(state: &State, members: &Members) -> bool {
    let known = state.controllers().count();
    let fits = |(id, controller): (ControllerId, &Controller)| match controller.wish {
        Wish::Voter => members.voters.contains(&id.0),
        Wish::Learner => members.learners.contains(&id.0),
        Wish::Leaving => false,
    };
    known == members.voters.len() + members.learners.len() && state.controllers().all(fits)
}

/// The next step; `None` when there is nothing to do, or only to wait.
pub fn next(state: &State, standing: &Standing<'_>) -> Option<Step> {
    let members = standing.members;
    if members.is_joint() && mutants::is(Mutant::StayJoint) {
        return None;
    }
    if members.is_joint() {
        // One that leaves with the old half must not lead the new one.
        return match members.voters.contains(&standing.own.0) {
            true => Some(Step::Change(MembershipChange::leave_joint())),
            false => successor(state, standing).map(Step::Transfer),
        };
    }
    let mut steps = Vec::new();
    for (id, controller) in state.controllers() {
        let (votes, follows) = (members.voters.contains(&id.0), members.learners.contains(&id.0));
        match controller.wish {
            Wish::Voter if !votes && !follows => steps.push((id.0, Role::Learner)),
            Wish::Voter
                if follows
                    && supports_version(state, controller)
                    && !mutants::is(Mutant::NeverPromote)
                    && (standing.progress)(id)
                        .is_some_and(|come| has_caught_up(&come, standing.committed)) =>
            {
                steps.push((id.0, Role::Voter))
            }
            Wish::Learner if !follows => steps.push((id.0, Role::Learner)),
            Wish::Voter | Wish::Learner | Wish::Leaving => {}
        }
    }
    let mut gone = None;
    let leaving = |(_, controller): &(ControllerId, &Controller)| controller.wish == Wish::Leaving;
    for (id, _) in state.controllers().filter(leaving) {
        let awaits = state.controllers().any(|(other, successor)| {
            let votes = members.voters.contains(&other.0) || steps.contains(&(other.0, Role::Voter));
            successor.replaces == Some(id) && successor.wish == Wish::Voter && !votes
        });
        match members.contains(id.0) {
            true if awaits => {}
            true => steps.push((id.0, Role::Gone)),
            false => gone = Some(id),
        }
    }
    if steps.iter().any(|(id, role)| *id == standing.own.0 && *role != Role::Voter) {
        if let Some(successor) = successor(state, standing) {
            return Some(Step::Transfer(successor));
        }
        // The others' steps first: one of them makes the voter that can take over.
        steps.retain(|(id, _)| *id != standing.own.0);
    }
    // Those that would be left by a voter that goes must be able to decide, this very change too: it waits until they can.
    // One that only follows is missed by nobody.
    let is_missed = |(id, role): &(u64, Role)| *role == Role::Gone && members.voters.contains(id);
    let (missed, mut steps): (Vec<_>, Vec<_>) = steps.into_iter().partition(is_missed);
    for step in missed {
        steps.push(step);
        if !leaves_a_majority(&steps, standing) {
            steps.pop();
        }
    }
    match steps.is_empty() {
        false => Some(Step::Change(MembershipChange { steps })),
        true => gone.map(Step::Forget),
    }
}

/// Whether a controller can follow what the others do. One that cannot stops as soon as it hears of it, and never votes.
fn supports_version(state: &State, controller: &Controller) -> bool {
    state.version() == version::FIRST || controller.card.supports >= state.version()
}

/// Whether most of those that vote after these steps are heard.
fn leaves_a_majority(steps: &[(u64, Role)], standing: &Standing<'_>) -> bool {
    let promoted = steps.iter().filter(|(_, role)| *role == Role::Voter).map(|(id, _)| *id);
    let left = standing
        .members
        .voters
        .iter()
        .copied()
        .filter(|id| !steps.iter().any(|(step, role)| step == id && *role != Role::Voter));
    let voters: BTreeSet<u64> = left.chain(promoted).collect();
    let heard = |id: &&u64| {
        **id == standing.own.0
            || (standing.progress)(ControllerId(**id)).is_some_and(|progress| progress.active)
    };
    voters.iter().filter(heard).count() * 2 > voters.len()
}

/// Whether a member is heard, and has nearly all that is committed.
pub(crate) fn has_caught_up(come: &Progress, committed: u64) -> bool {
    // Raft thinks of a new one as active before it was heard at all.
    come.active && come.matched > 0 && come.matched + CAUGHT_UP >= committed
}

/// Who leads after a leader that goes.
fn successor(state: &State, standing: &Standing<'_>) -> Option<ControllerId> {
    let stays = |id: &ControllerId| {
        *id != standing.own && state.controller(*id).is_some_and(|other| other.wish == Wish::Voter)
    };
    let voters = standing.members.voters.iter().copied().map(ControllerId).filter(stays);
    let come =
        |id: &ControllerId| (standing.progress)(*id).map(|progress| (progress.active, progress.matched));
    voters.max_by_key(come)
}
