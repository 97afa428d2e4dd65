//! What must come to pass once a quorum is healed and faults have ended: one file each. Until it has, each says what
//! is missing; one that says so for too long is stuck, unless a reason of its own justifies it.

mod a_leader_leads;
mod all_is_answered;
mod all_is_given_back;
mod machines_are_needed;
mod membership_settles;
mod nothing_admissible_idles;
mod replicas_catch_up;
mod runs_come_to_their_end;

pub(crate) use nothing_admissible_idles::NothingAdmissibleIdles;

use crate::clock::Micros;
use crate::world::World;

/// A demand of the second phase.
pub(crate) trait Demand {
    /// How long it may take, after the healing or after the moment at which what is missing began to be.
    fn within(&self) -> Micros;

    /// When what is missing began to be, where that may be later than the healing.
    fn since(&self) -> Micros {
        Micros(0)
    }

    /// What is missing, in words that begin with the demand's title.
    fn missing(&mut self, world: &World, healed: Micros) -> Option<String>;

    /// Why what is missing may stay so, if there is a reason outside the scheduler.
    fn justified(&self, _: &World) -> Option<String> {
        None
    }
}

/// What a drained cluster must come to.
pub(crate) fn drained() -> Vec<Box<dyn Demand>> {
    vec![Box::new(a_leader_leads::ALeaderLeads::default()), Box::new(all_is_given_back::AllIsGivenBack)]
}

/// All of them.
pub(crate) fn all() -> Vec<Box<dyn Demand>> {
    vec![
        Box::new(a_leader_leads::ALeaderLeads::default()),
        Box::new(all_is_answered::AllIsAnswered),
        Box::new(NothingAdmissibleIdles::default()),
        Box::new(runs_come_to_their_end::RunsComeToTheirEnd),
        Box::new(machines_are_needed::MachinesAreNeeded::default()),
        Box::new(replicas_catch_up::ReplicasCatchUp),
        Box::new(membership_settles::MembershipSettles::default()),
    ]
}
