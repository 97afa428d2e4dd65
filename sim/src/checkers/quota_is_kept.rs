//! S3: what nodes use, counted anew, stays within every limit; above a limit that was cut nothing is granted, also not
//! what another node gives back in the same entry.

use super::{Applied, Checker};
use crate::coverage::{Coverage, Mark};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::State;
use tidegate_scheduler::command::{PoolSettings, QuotaKey};
use tidegate_scheduler::ids::NodeId;

/// S3.
pub(super) struct QuotaIsKept;

/// What a pool's nodes count against: its family and tier where it is, over all workspaces and in its own.
fn keys(pool: &PoolSettings) -> [QuotaKey; 2] {
    [None, Some(&pool.workspace)].map(|workspace| QuotaKey {
        region: pool.region.clone(),
        family: pool.size.family.clone(),
        tier: pool.tier,
        workspace: workspace.cloned(),
    })
}

fn usage(state: &State) -> BTreeMap<QuotaKey, (u64, BTreeSet<NodeId>)> {
    let mut usage: BTreeMap<QuotaKey, (u64, BTreeSet<NodeId>)> = BTreeMap::new();
    for (id, node) in state.nodes() {
        let Some(pool) = state.pool(node.pool) else { continue };
        for key in keys(&pool.settings) {
            let (used, nodes) = usage.entry(key).or_default();
            *used += u64::from(pool.settings.size.capacity.vcpu);
            nodes.insert(id);
        }
    }
    usage
}

/// What the state after an entry, against the one before it, breaks.
fn judge(before: &State, after: &State, coverage: &mut Coverage) -> Vec<String> {
    let mut broken = Vec::new();
    let counted = usage(after);
    for (key, (used, nodes)) in &counted {
        let ledger = after.quota().usage(key);
        if ledger.total() != *used {
            broken.push(format!("the ledger counts {ledger:?} for {key}, its nodes make {used}"));
        }
        let Some(limit) = after.quota().limit(key) else { continue };
        if *used == limit {
            coverage.mark(Mark::QuotaHeld);
        }
        if *used <= limit {
            continue;
        }
        coverage.mark(Mark::QuotaCut);
        // Requests of clients come before what is granted, in each entry.
        if let Some(new) = nodes.iter().find(|node| before.node(**node).is_none()) {
            broken.push(format!("{new} is granted, and {key} has {used} of {limit} in use"));
        }
    }
    for key in after.quota().keys().filter(|key| !counted.contains_key(key)) {
        let ledger = after.quota().usage(key);
        if ledger.total() != 0 {
            broken.push(format!("the ledger counts {ledger:?} for {key}, which has no nodes"));
        }
    }
    broken
}

impl Checker for QuotaIsKept {
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        let broken = judge(at.before, at.after, coverage);
        found.extend(broken.into_iter().map(|what| format!("S3 quota: entry {}: {what}", at.index)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{applied, asked, limit, node, pool, run};
    use tidegate_scheduler::command::{Command, Observation, PlanCommand};

    fn judged(before: &State, after: &State) -> Vec<String> {
        judge(before, after, &mut Coverage::default())
    }

    #[test]
    fn a_node_beyond_its_limit_is_found_also_in_the_place_of_another_one() {
        let mut state = State::new();
        applied(&mut state, vec![asked(pool("main", 4)), asked(run("a", 4)), asked(limit(Some(8)))]);
        let id = state.pools().next().expect("the pool").0;
        let before = state.fork();
        let first = node(&mut state, id);
        node(&mut state, id);
        assert_eq!(judged(&before, &state), Vec::<String>::new());
        let before = state.fork();
        // Three use 12; then the limit is cut, and one goes while another comes: still as many.
        let mut cut = before.fork();
        applied(&mut cut, vec![asked(limit(None))]);
        node(&mut cut, id);
        applied(&mut cut, vec![asked(limit(Some(8)))]);
        assert!(!judged(&before, &cut).is_empty());
        let full = cut.fork();
        assert_eq!(judged(&full, &cut), Vec::<String>::new(), "what was there before may stay");
        applied(&mut cut, vec![asked(limit(None)), Command::Plan(PlanCommand::RequestNode { pool: id })]);
        let gone = Command::Observed(Observation::NodeGone { node: first });
        applied(&mut cut, vec![gone, asked(limit(Some(8)))]);
        assert!(judged(&full, &cut)[0].contains("is granted"));
    }
}
