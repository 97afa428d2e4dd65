//! S3: what nodes use, counted anew, is what the ledger says; nothing is granted beyond what the allowances leave room for,
//! by a naive recalculation of their trees, nor where a budget is used up, nor beyond the most that a region may have;
//! and what somebody has of his own is never refused while the region has it to give.

use super::{Applied, Checker, is_due};
use crate::coverage::{Coverage, Mark};
use crate::naive::quota::{Ledger, keys};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::State;
use tidegate_scheduler::command::QuotaKey;
use tidegate_scheduler::ids::{NodeId, PoolId};
use tidegate_scheduler::state::pools::Pool;
use tidegate_scheduler::state::quota::{Account, Budget};
use tidegate_scheduler::time::WallMicros;

/// S3.
#[derive(Default)]
pub(super) struct QuotaIsKept {
    spent: BTreeMap<QuotaKey, Spent>,
}

/// What was used of a budget, by watching.
#[derive(Clone, Copy, Debug)]
struct Spent {
    budget: Budget,
    /// vCPU times milliseconds.
    used: u64,
    /// When the next period begins.
    next: WallMicros,
    /// Whether anything changed in this period: until then the ledger goes by the wall clock, which may jump.
    is_settled: bool,
}

fn usage(state: &State) -> BTreeMap<QuotaKey, u64> {
    let mut nodes: BTreeMap<PoolId, u64> = BTreeMap::new();
    for (_, node) in state.nodes() {
        *nodes.entry(node.pool).or_default() += 1;
    }
    let mut usage: BTreeMap<QuotaKey, u64> = BTreeMap::new();
    for (id, nodes) in nodes {
        let Some(pool) = state.pool(id) else { continue };
        for key in keys(&pool.settings) {
            *usage.entry(key).or_default() += nodes * u64::from(pool.settings.size.capacity.vcpu);
        }
    }
    usage
}

/// What is recounted for each key.
fn counted(state: &State, broken: &mut Vec<String>) {
    let counted = usage(state);
    for (key, used) in &counted {
        let ledger = state.quota().usage(key);
        if ledger.total() != *used {
            broken.push(format!("the ledger counts {ledger:?} for {key}, its nodes make {used}"));
        }
    }
    for key in state.quota().keys().filter(|key| !counted.contains_key(key)) {
        let ledger = state.quota().usage(&key);
        if ledger.total() != 0 {
            broken.push(format!("the ledger counts {ledger:?} for {key}, which has no nodes"));
        }
    }
}

/// Limits that are used up, or cut below use.
fn mark(state: &State, coverage: &mut Coverage) {
    for (key, used) in usage(state) {
        let Some(allowance) = state.quota().allowance(&key) else { continue };
        let most = allowance.nominal.saturating_add(allowance.borrowing_limit.unwrap_or(u64::MAX));
        if used == most {
            coverage.mark(Mark::QuotaHeld);
        }
        if used > most {
            coverage.mark(Mark::QuotaCut);
        }
        if key.workspace.is_some() && used > allowance.nominal && allowance.nominal > 0 {
            coverage.mark(Mark::Borrowed);
        }
    }
}

fn account(pool: &Pool) -> Account {
    let settings = &pool.settings;
    Account {
        region: settings.region.clone(),
        family: settings.size.family.clone(),
        tier: settings.tier,
        workspace: settings.workspace.clone(),
        team: settings.team.clone(),
    }
}

/// Each node that is new: requests of clients come before what is granted in an entry, so that it was granted by the
/// allowances that are there after it; what another node gives back in the same entry is no room for it.
fn granted(before: &State, after: &State, broken: &mut Vec<String>) {
    let new: BTreeSet<NodeId> =
        after.nodes().map(|(id, _)| id).filter(|id| before.node(*id).is_none()).collect();
    if new.is_empty() {
        return;
    }
    let mut ledger = Ledger::of(after, |id| !new.contains(&id));
    for id in new {
        let Some(pool) = after.node(id).and_then(|node| after.pool(node.pool)) else { continue };
        let available = ledger.available(&pool.settings);
        if available < i64::from(pool.settings.size.capacity.vcpu) {
            broken.push(format!(
                "{id} is granted to {:?} although {available} vCPU are available; allowances: {}",
                account(pool),
                allowances(after)
            ));
        }
        ledger.add(&pool.settings);
    }
    let used_before = usage(before);
    for (key, used) in usage(after) {
        let allowance = after.quota().allowance(&key).filter(|_| key.workspace.is_none());
        let more = used_before.get(&key).is_none_or(|was| *was < used);
        if let Some(most) = allowance.and_then(|it| Some(it.nominal + it.borrowing_limit?))
            && used > most
            && more
        {
            broken.push(format!("{key} grows to {used} of at most {most}"));
        }
    }
}

/// What is available to each pool, by both ways of working it out.
fn available(state: &State, broken: &mut Vec<String>) {
    let ledger = Ledger::of(state, |_| true);
    for (id, pool) in state.pools() {
        let vcpu = i64::from(pool.settings.size.capacity.vcpu);
        let (is, naive) =
            (state.quota().available(&account(pool), state.moment()), ledger.available(&pool.settings));
        if is != naive {
            broken.push(format!(
                "{is} vCPU are available to {id}, {naive} by a walk over {}",
                allowances(state)
            ));
        }
        if ledger.is_its_own(&pool.settings) && is < vcpu {
            broken.push(format!("{id} is refused what is its own: {is} of {vcpu} vCPU are available"));
        }
        if naive < vcpu && naive >= 0 {
            let lent = state.quota().exhausted(&account(pool), vcpu as u64, state.moment());
            if lent.is_empty() {
                broken.push(format!("{id} has no room for {vcpu} vCPU, and nothing stands in its way"));
            }
        }
    }
}

fn allowances(state: &State) -> String {
    let told = |key: QuotaKey| Some(format!("{key}: {:?}", state.quota().allowance(&key)?));
    state.quota().keys().filter_map(told).collect::<Vec<_>>().join("; ")
}

impl QuotaIsKept {
    /// What is used of budgets: what nodes had before an entry, for as long as it is since the one before it.
    fn spend(&mut self, before: &State, after: &State, coverage: &mut Coverage, broken: &mut Vec<String>) {
        let (now, wall) = (after.now(), after.wall());
        let passed = now.since(before.now()).0;
        let mut spent = BTreeMap::new();
        let spending = |key: QuotaKey| Some((after.quota().spending(&key, after.moment())?, key));
        let budgets: Vec<_> = after.quota().keys().filter_map(spending).collect();
        if budgets.is_empty() {
            return self.spent.clear();
        }
        let (used, now_used) = (usage(before), usage(after));
        for (is, key) in budgets {
            let before_it = before.quota().allowance(&key).and_then(|allowance| allowance.budget);
            let known = self
                .spent
                .get(&key)
                .filter(|known| before_it == Some(known.budget) && known.budget.period == is.budget.period);
            let (_, next) = is.budget.period.around(wall);
            let by_us = match known {
                Some(known) if known.is_settled && wall < known.next => {
                    let used = known.used + used.get(&key).copied().unwrap_or_default() * passed;
                    if used != is.used {
                        broken.push(format!(
                            "{} vCPU-ms of the budget of {key} are used, {used} by watching",
                            is.used
                        ));
                    }
                    Spent { used, ..*known }
                }
                // A new budget, or a new period: no more than what was used in the last step is of it.
                known => {
                    if known.is_some_and(|known| known.is_settled) {
                        coverage.mark(Mark::BudgetRenewed);
                    }
                    let is_settled = known.is_none() || used.get(&key) != now_used.get(&key);
                    Spent { budget: is.budget, used: is.used, next, is_settled }
                }
            };
            if is.used >= is.budget.vcpu_hours * 3_600_000 {
                coverage.mark(Mark::BudgetUsedUp);
            }
            spent.insert(key, by_us);
        }
        self.spent = spent;
    }
}

impl Checker for QuotaIsKept {
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        let mut broken = Vec::new();
        granted(at.before, at.after, &mut broken);
        self.spend(at.before, at.after, coverage, &mut broken);
        if is_due(at.index, at.after) {
            counted(at.after, &mut broken);
            mark(at.after, coverage);
            available(at.after, &mut broken);
        }
        found.extend(broken.into_iter().map(|what| format!("S3 quota: entry {}: {what}", at.index)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{applied, asked, key, limit, node, pool, run};
    use tidegate_scheduler::command::{ClientCommand, Command, Observation, PlanCommand};
    use tidegate_scheduler::state::quota::Allowance;

    fn judged(before: &State, after: &State) -> Vec<String> {
        let mut broken = Vec::new();
        granted(before, after, &mut broken);
        counted(after, &mut broken);
        broken
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

    #[test]
    fn what_is_kept_for_another_one_is_not_available() {
        let mut state = State::new();
        let set = |team, allowance| {
            asked(ClientCommand::SetQuota { key: key(Some("default"), team), allowance: Some(allowance) })
        };
        let keeps = Allowance { nominal: 8, lending_limit: Some(4), ..Allowance::default() };
        applied(&mut state, vec![asked(pool("main", 9)), asked(limit(Some(20)))]);
        applied(&mut state, vec![set(None, Allowance::limited(12)), set(Some("a"), keeps)]);
        let pool = state.pools().next().expect("the pool").1.settings.clone();
        let ledger = Ledger::of(&state, |_| true);
        assert_eq!(ledger.available(&pool), 8, "of 12 team a keeps 4");
        let of_team = tidegate_scheduler::command::PoolSettings { team: Some("a".into()), ..pool };
        assert_eq!(ledger.available(&of_team), 12);
        assert!(ledger.is_its_own(&of_team));
    }
}
