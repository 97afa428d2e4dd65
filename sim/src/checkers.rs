//! The promises, one file each, checked after every applied entry unless it says otherwise.

mod allocations_fit;
mod dependencies_are_kept;
mod index_is_derived;
mod limits_are_kept;
mod no_run_is_lost;
mod one_attempt_is_accepted;
mod order_is_kept;
mod placement_is_naive;
mod plan_is_repeatable;
mod pools_keep_their_bounds;
mod quota_is_kept;
mod state_is_whole;
mod states_follow_the_graph;
mod tries_are_counted;

pub(crate) mod acknowledged_is_visible;
pub(crate) mod committed_is_durable;
pub(crate) mod one_leader_a_term;
pub(crate) mod promises_are_durable;
pub(crate) mod replicas_agree;
pub(crate) mod requests;
pub(crate) mod silence_is_real;
pub(crate) mod vms_are_known;

pub(crate) use index_is_derived::compare as compare_index;

use crate::coverage::Coverage;
use std::collections::BTreeSet;
use tidegate_scheduler::command::Command;
use tidegate_scheduler::ids::NodeId;
use tidegate_scheduler::state::apply::Changes;
use tidegate_scheduler::{Limits, State};

/// One entry that was applied.
pub(crate) struct Applied<'a> {
    pub(crate) index: u64,
    pub(crate) commands: &'a [Command],
    pub(crate) before: &'a State,
    pub(crate) after: &'a State,
    pub(crate) changes: &'a Changes,
    /// The nodes that were silent when its leader planned it.
    pub(crate) silent: Option<&'a BTreeSet<NodeId>>,
    pub(crate) limits: &'a Limits,
}

/// A promise about the agreed history. What it finds broken begins with its title.
pub(crate) trait Checker {
    /// After each entry.
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>);

    /// Once more, over all, when everything is at rest.
    fn at_rest(&mut self, _: &State, _: &mut Vec<String>) {}
}

/// All that look at the agreed history alone.
pub(crate) fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(plan_is_repeatable::PlanIsRepeatable),
        Box::new(placement_is_naive::PlacementIsNaive),
        Box::new(quota_is_kept::QuotaIsKept::default()),
        Box::new(limits_are_kept::LimitsAreKept),
        Box::new(dependencies_are_kept::DependenciesAreKept::default()),
        Box::new(pools_keep_their_bounds::PoolsKeepTheirBounds),
        Box::new(order_is_kept::OrderIsKept),
        Box::new(allocations_fit::AllocationsFit::default()),
        Box::new(no_run_is_lost::NoRunIsLost::default()),
        Box::new(states_follow_the_graph::StatesFollowTheGraph::default()),
        Box::new(one_attempt_is_accepted::OneAttemptIsAccepted::default()),
        Box::new(tries_are_counted::TriesAreCounted::default()),
        Box::new(state_is_whole::StateIsWhole),
    ]
}

/// Whether a walk over all of the state is due: always on small ones, now and then on large ones.
pub(crate) fn is_due(index: u64, state: &State) -> bool {
    let every = 1 + state.runs().len() as u64 / 24;
    index.is_multiple_of(every)
}
