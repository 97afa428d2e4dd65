//! The quota ledger: vCPU by region, family and tier, in trees of workspaces and their teams.
//!
//! It counts nodes that exist or are on their way, never `max_instances`. An allowance below use is legal: nothing new is
//! granted until use falls. Each node counts in the tree of its family and in that over all families, tier by tier.

mod allowance;
mod budget;
mod fair;
mod history;
mod tree;

pub use allowance::{Allowance, Budget, Period};
pub use budget::Now;
pub use fair::{Ratio, Standing};
pub use history::{ENTRY_PENALTY, HALF_LIFE, History};

use super::apply::check_name;
use crate::command::QuotaKey;
use crate::limits::agreed;
use crate::refusal::Refusal;
use crate::resources::Tier;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tree::{Bar, Scope, Tree, UNLIMITED};

/// Refuses an allowance that makes no sense.
pub(super) fn check(key: &QuotaKey, allowance: Option<&Allowance>) -> Result<(), Refusal> {
    let bad = |reason: &str| Err(Refusal::BadQuota { key: key.to_string(), reason: reason.into() });
    if key.team.is_some() && key.workspace.is_none() {
        return bad("a team is one of a workspace; name the workspace too");
    }
    if let Some(workspace) = &key.workspace {
        check_name("workspace", workspace)?;
    }
    if let Some(team) = &key.team {
        check_name("team", team)?;
    }
    let Some(Allowance { nominal, borrowing_limit, lending_limit, weight, budget }) = allowance else {
        return Ok(());
    };
    let amounts = [Some(*nominal), *borrowing_limit, *lending_limit, budget.map(|budget| budget.vcpu_hours)];
    if amounts.into_iter().flatten().any(|amount| amount > agreed::VCPU) {
        return bad("an amount is beyond what can be counted");
    }
    if *weight > agreed::WEIGHT {
        return bad("a weight is 1000 at most");
    }
    if key.workspace.is_none() && lending_limit.is_some() {
        return bad("a region has nobody to lend to");
    }
    Ok(())
}

/// How vCPU count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// For a node that was asked for.
    Reserved,
    /// For a node that its provider is making.
    Provisioning,
    /// For a node that exists.
    Bound,
}

/// What counts against one allowance, in vCPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// For nodes that were asked for.
    pub reserved: u64,
    /// For nodes that are being made.
    pub provisioning: u64,
    /// For nodes that exist.
    pub bound: u64,
}

impl Usage {
    /// All that counts.
    pub fn total(&self) -> u64 {
        self.reserved + self.provisioning + self.bound
    }

    fn at(&mut self, stage: Stage) -> &mut u64 {
        match stage {
            Stage::Reserved => &mut self.reserved,
            Stage::Provisioning => &mut self.provisioning,
            Stage::Bound => &mut self.bound,
        }
    }
}

/// Whom nodes of a pool count against.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// Where they are.
    pub region: String,
    /// Of which family.
    pub family: String,
    /// How they are paid for.
    pub tier: Tier,
    /// Whose they are.
    pub workspace: String,
    /// And of which team of his.
    pub team: Option<String>,
}

impl Account {
    fn scope(&self) -> Scope {
        match &self.team {
            Some(team) => Scope::Team(self.workspace.clone(), team.clone()),
            None => Scope::Workspace(self.workspace.clone()),
        }
    }

    /// The trees in which they count.
    fn trees(&self) -> impl Iterator<Item = TreeKey> + '_ {
        [Some(self.family.clone()), None].into_iter().map(|family| TreeKey {
            region: self.region.clone(),
            family,
            tier: self.tier,
        })
    }

    /// Everything that they count against, from the region down.
    pub fn keys(&self) -> Vec<QuotaKey> {
        let scopes = self.scope().path();
        self.trees()
            .flat_map(|tree| scopes.iter().map(move |scope| tree.key(scope)).collect::<Vec<_>>())
            .collect()
    }
}

/// Which tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct TreeKey {
    region: String,
    /// All together when absent.
    family: Option<String>,
    tier: Tier,
}

impl TreeKey {
    fn key(&self, scope: &Scope) -> QuotaKey {
        let (workspace, team) = match scope {
            Scope::Region => (None, None),
            Scope::Workspace(workspace) => (Some(workspace.clone()), None),
            Scope::Team(workspace, team) => (Some(workspace.clone()), Some(team.clone())),
        };
        QuotaKey {
            region: self.region.clone(),
            family: self.family.clone(),
            tier: self.tier,
            workspace,
            team,
        }
    }
}

fn parts(key: &QuotaKey) -> (TreeKey, Scope) {
    let tree = TreeKey { region: key.region.clone(), family: key.family.clone(), tier: key.tier };
    let scope = match (&key.workspace, &key.team) {
        (None, _) => Scope::Region,
        (Some(workspace), None) => Scope::Workspace(workspace.clone()),
        (Some(workspace), Some(team)) => Scope::Team(workspace.clone(), team.clone()),
    };
    (tree, scope)
}

/// Something that leaves no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Where.
    pub key: QuotaKey,
    /// Why.
    pub why: Why,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It may not have more than this.
    Limit {
        /// In vCPU.
        limit: u64,
        /// What it has of it.
        used: u64,
    },
    /// All that the region has is used or kept for others.
    Lent {
        /// What all have together, in vCPU.
        all: u64,
        /// What they use of it.
        used: u64,
    },
    /// Its budget is used up.
    Budget {
        /// The budget.
        budget: Budget,
        /// How long it is until the next period.
        resets_in: Millis,
    },
}

/// What is used of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    /// The budget.
    pub budget: Budget,
    /// vCPU times milliseconds used in this period.
    pub used: u64,
    /// How long it is until the next one.
    pub resets_in: Millis,
}

/// The ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    /// Shared by forks until one of them changes it.
    trees: Arc<BTreeMap<TreeKey, Tree>>,
}

impl Quota {
    /// Sets an allowance, or lifts it.
    pub fn set(&mut self, key: &QuotaKey, allowance: Option<Allowance>, now: Now) {
        let (tree, scope) = parts(key);
        Arc::make_mut(&mut self.trees).entry(tree.clone()).or_default().set(&scope, allowance, now);
        self.drop_if_empty(&tree, now);
    }

    /// What was granted to `key`.
    pub fn allowance(&self, key: &QuotaKey) -> Option<Allowance> {
        let (tree, scope) = parts(key);
        self.trees.get(&tree)?.branch(&scope)?.allowance
    }

    /// What counts against `key`, with all below it.
    pub fn usage(&self, key: &QuotaKey) -> Usage {
        let (tree, scope) = parts(key);
        self.trees
            .get(&tree)
            .and_then(|tree| tree.branch(&scope))
            .map(|branch| branch.usage)
            .unwrap_or_default()
    }

    /// What it has that is another's, in vCPU.
    pub fn borrowed(&self, key: &QuotaKey) -> u64 {
        let (tree, scope) = parts(key);
        let branch = self.trees.get(&tree).and_then(|tree| tree.branch(&scope));
        branch.filter(|_| scope != Scope::Region).map_or(0, tree::Branch::borrowed)
    }

    /// What was borrowed lately, in thousandths of a vCPU: half as much for each half-life ago.
    pub fn borrowed_lately_milli(&self, key: &QuotaKey, now: Now) -> u64 {
        let (tree, scope) = parts(key);
        let branch = self.trees.get(&tree).and_then(|tree| tree.branch(&scope));
        branch.map_or(0, |branch| branch.history.average_milli(now.time))
    }

    /// What is used of its budget, if it has one.
    pub fn spending(&self, key: &QuotaKey, now: Now) -> Option<Spending> {
        let (tree, scope) = parts(key);
        let branch = self.trees.get(&tree)?.branch(&scope)?;
        let budget = branch.allowance?.budget?;
        let used = branch.spent.used(&budget, now);
        Some(Spending { budget, used, resets_in: budget.period.remaining(now.wall) })
    }

    /// Every key that has an allowance or use, in order.
    pub fn keys(&self) -> impl Iterator<Item = QuotaKey> {
        self.trees.iter().flat_map(|(tree, whole)| {
            let shown =
                whole.branches().filter(|(_, branch)| branch.allowance.is_some() || branch.usage.total() > 0);
            shown.map(|(scope, _)| tree.key(scope))
        })
    }

    /// How many vCPU more `account` may have, by each tree alone; negative where more is used than is there.
    pub fn available(&self, account: &Account, now: Now) -> i64 {
        let scope = account.scope();
        let trees = account.trees().filter_map(|tree| self.trees.get(&tree));
        trees.map(|tree| tree.available(&scope, now)).min().unwrap_or(UNLIMITED)
    }

    /// How many nodes of `vcpu` each still fit.
    pub fn room(&self, account: &Account, vcpu: u64, now: Now) -> u64 {
        self.available(account, now).max(0) as u64 / vcpu.max(1)
    }

    /// Everything that leaves no room for `vcpu` more.
    pub fn exhausted(&self, account: &Account, vcpu: u64, now: Now) -> Vec<Exhausted> {
        let scope = account.scope();
        let of_tree = |key: TreeKey| {
            let bars = self.trees.get(&key).map(|tree| tree.bars(&scope, vcpu, now)).unwrap_or_default();
            bars.into_iter().map(move |(scope, bar)| (key.key(&scope), bar)).collect::<Vec<_>>()
        };
        let told = |(key, bar): (QuotaKey, Bar)| {
            let amount = |amount: i64| amount.max(0) as u64;
            let why = match bar {
                Bar::Limit { limit, used } => Why::Limit { limit: amount(limit), used: amount(used) },
                Bar::Lent { all, used } => Why::Lent { all: amount(all), used: amount(used) },
                Bar::Budget => {
                    let budget = self.allowance(&key)?.budget?;
                    Why::Budget { budget, resets_in: budget.period.remaining(now.wall) }
                }
            };
            Some(Exhausted { key, why })
        };
        account.trees().flat_map(of_tree).filter_map(told).collect()
    }

    /// When the next budget comes back that is used up on the way of `account`.
    pub fn resets_in(&self, account: &Account, now: Now) -> Option<Millis> {
        let used_up =
            self.exhausted(account, 0, now).into_iter().filter_map(|exhausted| match exhausted.why {
                Why::Budget { resets_in, .. } => Some(resets_in),
                Why::Limit { .. } | Why::Lent { .. } => None,
            });
        used_up.max()
    }

    /// Where `account` would stand among all that want something, if it were granted `vcpu` more.
    pub fn standing(&self, account: &Account, vcpu: u64, now: Now) -> Standing {
        let path = account.scope().path();
        let mut levels = vec![(false, Ratio::NOTHING); path.len() - 1];
        // Where nothing was granted there is nothing to share out; the family's own tree stands for all then.
        let granted: Vec<TreeKey> =
            account.trees().filter(|key| self.trees.get(key).is_some_and(Tree::grants)).collect();
        let of_family = account.trees().next().filter(|_| granted.is_empty());
        for tree in granted.iter().chain(&of_family).filter_map(|key| self.trees.get(key)) {
            let steps = tree.shares(&path, vcpu, now);
            for (level, step) in levels.iter_mut().zip(steps) {
                *level = (level.0 || step.0, level.1.max(step.1));
            }
        }
        Standing(levels)
    }

    /// Grants `vcpu`: counts it as asked for.
    pub fn grant(&mut self, account: &Account, vcpu: u64, now: Now) {
        self.count(account, Stage::Reserved, vcpu, true, now);
    }

    /// Counts `vcpu` of a node that is at this stage.
    pub fn charge(&mut self, account: &Account, stage: Stage, vcpu: u64, now: Now) {
        self.count(account, stage, vcpu, false, now);
    }

    fn count(&mut self, account: &Account, stage: Stage, vcpu: u64, granted: bool, now: Now) {
        let scope = account.scope();
        let trees = Arc::make_mut(&mut self.trees);
        for key in account.trees() {
            trees.entry(key).or_default().charge(&scope, stage, vcpu, granted, now);
        }
    }

    /// Takes `vcpu` back.
    pub fn refund(&mut self, account: &Account, stage: Stage, vcpu: u64, now: Now) {
        let scope = account.scope();
        for key in account.trees() {
            if let Some(tree) = Arc::make_mut(&mut self.trees).get_mut(&key) {
                tree.refund(&scope, stage, vcpu, now);
            }
            self.drop_if_empty(&key, now);
        }
    }

    fn drop_if_empty(&mut self, key: &TreeKey, now: Now) {
        if self.trees.get(key).is_some_and(|tree| tree.is_empty(now)) {
            Arc::make_mut(&mut self.trees).remove(key);
        }
    }

    /// Every sum that is not what the allowances and the use of each node by itself make it.
    pub(super) fn check(&self, now: Now) -> Vec<String> {
        let mut broken = Vec::new();
        for (key, tree) in self.trees.iter() {
            let mut anew = tree.clone();
            anew.rebuild(now);
            for ((scope, was), (_, is)) in tree.branches().zip(anew.branches()) {
                let sums = |branch: &tree::Branch| (branch.charged, branch.subtree, branch.local);
                if sums(was) != sums(is) {
                    let key = key.key(scope);
                    broken.push(format!("quota {key}: {:?} counted, {:?} anew", sums(was), sums(is)));
                }
            }
        }
        broken
    }
}

#[cfg(test)]
mod tests;
