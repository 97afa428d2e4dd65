//! One tree of quota: a region above its workspaces, a workspace above its teams, for one family and tier.
//!
//! The arithmetic is that of Kueue's cohorts (KEP-79, KEP-1224): what a node uses beyond what it never lends is passed on to
//! its parent, so that every question and every charge is one walk from a leaf to the root.

use super::allowance::Allowance;
use super::budget::{Now, Spent};
use super::fair::Ratio;
use super::history::History;
use super::{Stage, Usage};
use crate::mutants::{self, Mutant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a region without any allowance has: more than anybody could use, and still far from the end of the numbers.
pub(super) const UNLIMITED: i64 = 1 << 50;

/// Which node: the region's root, a workspace of it, or a team of that. A workspace comes before its teams.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Scope {
    Region,
    Workspace(String),
    Team(String, String),
}

impl Scope {
    fn parent(&self) -> Option<Scope> {
        match self {
            Scope::Region => None,
            Scope::Workspace(_) => Some(Scope::Region),
            Scope::Team(workspace, _) => Some(Scope::Workspace(workspace.clone())),
        }
    }

    /// From the root down to this one.
    pub(super) fn path(&self) -> Vec<Scope> {
        let mut path = vec![self.clone()];
        while let Some(parent) = path[path.len() - 1].parent() {
            path.push(parent);
        }
        path.reverse();
        path
    }
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Branch {
    pub(super) allowance: Option<Allowance>,
    /// All that nodes of pools here and below use.
    pub(super) usage: Usage,
    /// What of it counts here: own use, and what children use beyond what they never lend.
    pub(super) charged: i64,
    /// What it and those below have together, without what those below never lend.
    pub(super) subtree: i64,
    /// The part of it that is never lent.
    pub(super) local: i64,
    pub(super) history: History,
    pub(super) spent: Spent,
}

impl Branch {
    fn borrowing_limit(&self) -> Option<i64> {
        self.allowance?.borrowing_limit.map(signed)
    }

    /// What it has that is another's.
    pub(super) fn borrowed(&self) -> u64 {
        (self.charged - self.subtree).max(0) as u64
    }

    /// What it may have in all; `None` when only what others need limits it.
    fn most(&self) -> Option<i64> {
        Some(self.subtree + self.borrowing_limit()?)
    }
}

pub(super) fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(UNLIMITED).min(UNLIMITED)
}

/// What stands in the way of more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    /// The node may not have more than this.
    Limit { limit: i64, used: i64 },
    /// Of what all have together nothing is left that it may take.
    Lent { all: i64, used: i64 },
    /// Its budget is used up.
    Budget,
}

/// The tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    branches: BTreeMap<Scope, Branch>,
}

impl Default for Tree {
    fn default() -> Tree {
        let mut tree = Tree { branches: BTreeMap::from([(Scope::Region, Branch::default())]) };
        tree.rebuild(Now::default());
        tree
    }
}

impl Tree {
    pub(super) fn branch(&self, scope: &Scope) -> Option<&Branch> {
        self.branches.get(scope)
    }

    pub(super) fn branches(&self) -> impl Iterator<Item = (&Scope, &Branch)> {
        self.branches.iter()
    }

    /// Whether nobody is granted anything, uses anything, or is remembered.
    pub(super) fn is_empty(&self, now: Now) -> bool {
        self.branches.values().all(|branch| is_idle(branch, now))
    }

    /// Whether anybody is granted anything.
    pub(super) fn grants(&self) -> bool {
        self.branches.values().any(|branch| branch.allowance.is_some())
    }

    pub(super) fn set(&mut self, scope: &Scope, allowance: Option<Allowance>, now: Now) {
        for part in scope.path() {
            self.branches.entry(part).or_default();
        }
        if let Some(branch) = self.branches.get_mut(scope) {
            let before = branch.allowance.and_then(|allowance| allowance.budget);
            if before.map(|budget| budget.period) != allowance.and_then(|a| a.budget).map(|b| b.period) {
                branch.spent = Spent::default();
            }
            branch.allowance = allowance;
        }
        self.forget_idle(now);
        self.rebuild(now);
    }

    /// Counts `vcpu` at a stage, on the whole path; `granted` when it is new.
    pub(super) fn charge(&mut self, scope: &Scope, stage: Stage, vcpu: u64, granted: bool, now: Now) {
        let path = scope.path();
        let mut passed = signed(vcpu);
        for scope in path.iter().rev() {
            let branch = self.branches.entry(scope.clone()).or_default();
            *branch.usage.at(stage) += vcpu;
            let own = (branch.local - branch.charged).max(0);
            let before = branch.borrowed();
            branch.charged += passed;
            passed = if mutants::is(Mutant::KeepCharge) { 0 } else { (passed - own).max(0) };
            let more = if granted { branch.borrowed().saturating_sub(before) } else { 0 };
            note_use(branch, more, now);
        }
    }

    /// Takes back what was counted.
    pub(super) fn refund(&mut self, scope: &Scope, stage: Stage, vcpu: u64, now: Now) {
        let path = scope.path();
        let mut passed = signed(vcpu);
        for scope in path.iter().rev() {
            let Some(branch) = self.branches.get_mut(scope) else { continue };
            let at = branch.usage.at(stage);
            debug_assert!(*at >= vcpu, "refund of what was never charged");
            *at = at.saturating_sub(vcpu);
            let over = (branch.charged - branch.local).max(0);
            branch.charged -= passed;
            passed = if mutants::is(Mutant::KeepRefund) { 0 } else { passed.min(over) };
            note_use(branch, 0, now);
        }
    }

    /// How many vCPU more it may have; negative where more is used than is there.
    pub(super) fn available(&self, scope: &Scope, now: Now) -> i64 {
        let mut available = 0;
        for scope in scope.path() {
            let Some(branch) = self.branches.get(&scope) else {
                continue;
            };
            if is_used_up(branch, now) {
                return 0;
            }
            if scope == Scope::Region {
                available = branch.subtree - branch.charged;
                continue;
            }
            let own = (branch.local - branch.charged).max(0);
            let own = if mutants::is(Mutant::LendLocal) { 0 } else { own };
            let lent = branch.subtree - branch.local - (branch.charged - branch.local).max(0);
            let upward = match branch.borrowing_limit() {
                Some(limit) => available.min(lent + limit),
                None => available,
            };
            // What it never lends is its own, however much others are over.
            available = if own > 0 { own + upward.max(0) } else { upward };
        }
        match self.root_room() {
            Some(room) => available.min(room),
            None => available,
        }
    }

    /// What a region may have more, if that is limited: then by what all of it uses, lent or not.
    fn root_room(&self) -> Option<i64> {
        let root = self.branches.get(&Scope::Region)?;
        let most = root.allowance?.most()?;
        Some(signed(most) - signed(root.usage.total()))
    }

    /// Everything that stands in the way of `vcpu` more, from the root down.
    pub(super) fn bars(&self, scope: &Scope, vcpu: u64, now: Now) -> Vec<(Scope, Bar)> {
        let path = scope.path();
        let mut bars = Vec::new();
        let mut wanted = signed(vcpu);
        for scope in path.iter().rev() {
            let none = Branch::default();
            let branch = self.branches.get(scope).unwrap_or(&none);
            if is_used_up(branch, now) {
                bars.push((scope.clone(), Bar::Budget));
            }
            let used = branch.charged;
            if *scope == Scope::Region {
                let total = signed(branch.usage.total());
                let most = branch.allowance.and_then(|allowance| allowance.most()).map(signed);
                match most {
                    Some(limit) if total + signed(vcpu) > limit => {
                        bars.push((scope.clone(), Bar::Limit { limit, used: total }));
                    }
                    _ if wanted > 0 && used + wanted > branch.subtree => {
                        bars.push((scope.clone(), Bar::Lent { all: branch.subtree, used }));
                    }
                    _ => {}
                }
            } else if let Some(limit) = branch.most().filter(|limit| wanted > 0 && used + wanted > *limit) {
                bars.push((scope.clone(), Bar::Limit { limit, used }));
            }
            wanted = (wanted - (branch.local - branch.charged).max(0)).max(0);
        }
        bars.reverse();
        bars
    }

    /// For each node below the root: whether it would borrow if `vcpu` more were granted at the end of the path, and what
    /// it would have borrowed, now and lately, for its weight and of what there is to borrow.
    pub(super) fn shares(&self, path: &[Scope], vcpu: u64, now: Now) -> Vec<(bool, Ratio)> {
        let mut passed = signed(vcpu);
        let none = Branch::default();
        let of = |scope: &Scope| self.branches.get(scope).unwrap_or(&none);
        let mut shares = Vec::with_capacity(path.len() - 1);
        for pair in path.windows(2).rev() {
            let (parent, branch) = (of(&pair[0]), of(&pair[1]));
            let borrowed = (branch.charged + passed - branch.subtree).max(0) as u128;
            passed = (passed - (branch.local - branch.charged).max(0)).max(0);
            let lately = u128::from(branch.history.average_milli(now.time));
            let weight = branch.allowance.map_or(1, |allowance| allowance.weight);
            let over = borrowed * 1000 + lately;
            shares.push((
                borrowed > 0,
                Ratio { over, under: parent.subtree.max(1) as u128 * u128::from(weight) },
            ));
        }
        shares.reverse();
        shares
    }

    /// What is derived from the allowances and from the use of each node by itself, anew.
    pub(super) fn rebuild(&mut self, now: Now) {
        let scopes: Vec<Scope> = self.branches.keys().rev().cloned().collect();
        // What children have in all, what of it they lend, and what they use beyond what they never lend.
        let mut below: BTreeMap<Scope, (i64, i64, i64)> = BTreeMap::new();
        let mut totals: BTreeMap<Scope, i64> = BTreeMap::new();
        for scope in scopes {
            let (all, lent, passed) = below.remove(&scope).unwrap_or_default();
            let children = totals.remove(&scope).unwrap_or_default();
            let Some(branch) = self.branches.get_mut(&scope) else { continue };
            let nominal = match branch.allowance {
                Some(allowance) => signed(allowance.nominal),
                None if scope == Scope::Region => UNLIMITED,
                None => 0,
            };
            let whole = nominal.max(all);
            branch.subtree = whole - all + lent;
            let lending = branch.allowance.and_then(|allowance| allowance.lending_limit);
            branch.local = lending.map_or(0, |limit| (branch.subtree - signed(limit)).max(0));
            let used = signed(branch.usage.total());
            branch.charged = used - children + passed;
            note_use(branch, 0, now);
            if let Some(parent) = scope.parent() {
                let (all, lent, passed) = below.entry(parent.clone()).or_default();
                *all += whole;
                *lent += branch.subtree - branch.local;
                *passed += (branch.charged - branch.local).max(0);
                *totals.entry(parent).or_default() += used;
            }
        }
    }

    fn forget_idle(&mut self, now: Now) {
        let idle: Vec<Scope> = self
            .branches
            .iter()
            .filter(|(scope, branch)| **scope != Scope::Region && is_idle(branch, now))
            .map(|(scope, _)| scope.clone())
            .collect();
        for scope in idle.into_iter().rev() {
            let is_parent = self.branches.keys().any(|other| other.parent().as_ref() == Some(&scope));
            if !is_parent {
                self.branches.remove(&scope);
            }
        }
    }
}

fn is_idle(branch: &Branch, now: Now) -> bool {
    branch.allowance.is_none() && branch.usage.total() == 0 && branch.history.is_forgotten(now.time)
}

fn is_used_up(branch: &Branch, now: Now) -> bool {
    let budget = branch.allowance.and_then(|allowance| allowance.budget);
    let budget = budget.filter(|_| !mutants::is(Mutant::EndlessBudget));
    budget.is_some_and(|budget| branch.spent.is_used_up(&budget, now))
}

/// What a node borrows counts for its history, and all that it uses against its budget.
fn note_use(branch: &mut Branch, granted: u64, now: Now) {
    let borrowed = branch.borrowed();
    branch.history.set_rate(now.time, borrowed, granted);
    if let Some(budget) = branch.allowance.and_then(|allowance| allowance.budget) {
        branch.spent.set_rate(&budget, now, branch.usage.total());
    }
}
