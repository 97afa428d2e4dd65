//! In what two states differ, thing by thing.

use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::State;
use tidegate_scheduler::command::{QuotaKey, RunLimits};
use tidegate_scheduler::ids::{ControllerId, Fence, NodeId, PoolId, RunId};
use tidegate_scheduler::state::quota::Allowance;

/// What is not the same on both sides, or only on one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) runs: BTreeSet<RunId>,
    pub(super) pools: BTreeSet<PoolId>,
    pub(super) nodes: BTreeSet<NodeId>,
    pub(super) attempts: BTreeSet<Fence>,
    pub(super) controllers: BTreeSet<ControllerId>,
    pub(super) allowances: BTreeSet<QuotaKey>,
    pub(super) used: BTreeSet<QuotaKey>,
    /// By their limits alone.
    pub(super) workspaces: BTreeSet<String>,
}

fn differ<K: Ord, V: PartialEq>(
    before: impl Iterator<Item = (K, V)>,
    after: impl Iterator<Item = (K, V)>,
) -> BTreeSet<K> {
    let mut before: BTreeMap<K, V> = before.collect();
    let mut differ = BTreeSet::new();
    for (key, value) in after {
        if before.remove(&key).is_none_or(|was| was != value) {
            differ.insert(key);
        }
    }
    differ.extend(before.into_keys());
    differ
}

impl Difference {
    /// Of all that can be seen of them, but for the answers that they remember.
    pub(super) fn between(before: &State, after: &State) -> Difference {
        fn allowances(state: &State) -> impl Iterator<Item = (QuotaKey, Allowance)> + '_ {
            let granted = |key: QuotaKey| Some((key.clone(), state.quota().allowance(&key)?));
            state.quota().keys().filter_map(granted)
        }
        fn used(state: &State) -> impl Iterator<Item = (QuotaKey, u64)> + '_ {
            let used = |key: QuotaKey| (key.clone(), state.quota().usage(&key).total());
            state.quota().keys().map(used).filter(|(_, used)| *used > 0)
        }
        fn workspaces(state: &State) -> impl Iterator<Item = (String, RunLimits)> + '_ {
            state.workspaces().map(|workspace| (workspace.name.to_string(), workspace.limits))
        }
        Difference {
            runs: differ(before.runs().iter(), after.runs().iter()),
            pools: differ(before.pools(), after.pools()),
            nodes: differ(before.nodes(), after.nodes()),
            attempts: differ(before.attempts(), after.attempts()),
            controllers: differ(before.controllers(), after.controllers()),
            allowances: differ(allowances(before), allowances(after)),
            workspaces: differ(workspaces(before), workspaces(after)),
            used: differ(used(before), used(after)),
        }
    }

    pub(super) fn is_none(&self) -> bool {
        *self == Difference::default()
    }

    /// Says what differs beyond this.
    pub(super) fn no_more_than(&self, allowed: &Difference) -> Result<(), String> {
        let within = self.runs.is_subset(&allowed.runs)
            && self.pools.is_subset(&allowed.pools)
            && self.nodes.is_subset(&allowed.nodes)
            && self.attempts.is_subset(&allowed.attempts)
            && self.controllers.is_subset(&allowed.controllers)
            && self.allowances.is_subset(&allowed.allowances)
            && self.workspaces.is_subset(&allowed.workspaces)
            && self.used.is_subset(&allowed.used);
        match within {
            true => Ok(()),
            false => Err(format!("it changed more than it may: {self:?}")),
        }
    }
}
