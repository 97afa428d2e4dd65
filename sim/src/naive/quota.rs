//! The arithmetic of quota trees, anew from all nodes and all allowances each time it is asked for.
//!
//! What a part has is its nominal quota, or that of its own parts where theirs make more; what it keeps of that is what is
//! beyond its lending limit; what it uses beyond what it keeps is its parent's to bear.

use std::collections::BTreeMap;
use tidegate_scheduler::State;
use tidegate_scheduler::command::{PoolSettings, QuotaKey};
use tidegate_scheduler::ids::NodeId;
use tidegate_scheduler::resources::Tier;
use tidegate_scheduler::state::quota::Allowance;

/// What a region without allowance has.
const PLENTY: i64 = 1 << 50;

/// A region, a workspace of it, or a team of that.
#[derive(Debug, Default)]
struct Part {
    allowance: Option<Allowance>,
    /// What it is granted by its allowance.
    nominal: i64,
    /// What pools of exactly this part use.
    own: i64,
    is_used_up: bool,
    parts: BTreeMap<String, Part>,
}

impl Part {
    fn whole(&self) -> i64 {
        self.nominal.max(self.parts.values().map(Part::whole).sum())
    }

    /// What it has to give away or use, without what its parts keep for themselves.
    fn has(&self) -> i64 {
        let parts: i64 = self.parts.values().map(Part::whole).sum();
        let lent: i64 = self.parts.values().map(|part| part.has() - part.keeps()).sum();
        self.whole() - parts + lent
    }

    fn keeps(&self) -> i64 {
        match self.allowance.and_then(|allowance| allowance.lending_limit) {
            Some(limit) => (self.has() - limit as i64).max(0),
            None => 0,
        }
    }

    /// What it must bear.
    fn bears(&self) -> i64 {
        self.own + self.parts.values().map(|part| (part.bears() - part.keeps()).max(0)).sum::<i64>()
    }

    fn used(&self) -> i64 {
        self.own + self.parts.values().map(Part::used).sum::<i64>()
    }

    /// The parts on the way down to `names`, this one first; it ends early where nobody knows of one.
    fn path(&self, names: &[&str]) -> Vec<&Part> {
        let mut path = vec![self];
        for name in names {
            let Some(next) = path[path.len() - 1].parts.get(*name) else { break };
            path.push(next);
        }
        path
    }

    fn available(&self, names: &[&str]) -> i64 {
        let path = self.path(names);
        if path.iter().any(|part| part.is_used_up) {
            return 0;
        }
        let mut available = self.has() - self.bears();
        for part in &path[1..] {
            let (has, keeps, bears) = (part.has(), part.keeps(), part.bears());
            let kept = (keeps - bears).max(0);
            let mut from_above = available;
            if let Some(limit) = part.allowance.and_then(|allowance| allowance.borrowing_limit) {
                from_above = from_above.min(has - keeps - (bears - keeps).max(0) + limit as i64);
            }
            available = if kept > 0 { kept + from_above.max(0) } else { from_above };
        }
        match self.most() {
            Some(most) => available.min(most - self.used()),
            None => available,
        }
    }

    /// The most that all of it may have, whatever is lent.
    fn most(&self) -> Option<i64> {
        let allowance = self.allowance?;
        Some((allowance.nominal + allowance.borrowing_limit?) as i64)
    }
}

/// Region, family and tier.
type Which = (String, Option<String>, Tier);

/// All trees.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    trees: BTreeMap<Which, Part>,
}

fn trees_of(pool: &PoolSettings) -> [Which; 2] {
    [Some(pool.size.family.clone()), None].map(|family| (pool.region.clone(), family, pool.tier))
}

fn names_of(pool: &PoolSettings) -> Vec<&str> {
    [Some(&pool.workspace), pool.team.as_ref()].into_iter().flatten().map(String::as_str).collect()
}

/// Everything that the nodes of a pool count against.
pub(crate) fn keys(pool: &PoolSettings) -> Vec<QuotaKey> {
    let names = names_of(pool);
    let of_tree = |(region, family, tier): Which| {
        (0..=names.len()).map(move |depth| (region.clone(), family.clone(), tier, depth))
    };
    let key = |(region, family, tier, depth): (String, Option<String>, Tier, usize)| QuotaKey {
        region,
        family,
        tier,
        workspace: (depth > 0).then(|| pool.workspace.clone()),
        team: if depth > 1 { pool.team.clone() } else { None },
    };
    trees_of(pool).into_iter().flat_map(of_tree).map(key).collect()
}

impl Ledger {
    /// By the allowances of a state, and by those of its nodes that are asked for.
    pub(crate) fn of(state: &State, counts: impl Fn(NodeId) -> bool) -> Ledger {
        let mut ledger = Ledger::default();
        for key in state.quota().keys() {
            let Some(allowance) = state.quota().allowance(&key) else { continue };
            let names: Vec<&str> =
                [&key.workspace, &key.team].into_iter().flatten().map(String::as_str).collect();
            let part = ledger.part((key.region.clone(), key.family.clone(), key.tier), &names);
            part.nominal = allowance.nominal as i64;
            part.allowance = Some(allowance);
            // How much is used of a budget is judged by itself.
            let used = state.quota().spending(&key, state.moment());
            let hours = |used: u64| used >= allowance.budget.map_or(u64::MAX, |it| it.vcpu_hours * 3_600_000);
            part.is_used_up = used.is_some_and(|spending| hours(spending.used));
        }
        for (id, node) in state.nodes() {
            if let Some(pool) = state.pool(node.pool).filter(|_| counts(id)) {
                ledger.add(&pool.settings);
            }
        }
        ledger
    }

    fn part(&mut self, tree: Which, names: &[&str]) -> &mut Part {
        let region = || Part { nominal: PLENTY, ..Part::default() };
        let root = self.trees.entry(tree).or_insert_with(region);
        names.iter().fold(root, |part, name| part.parts.entry((*name).to_owned()).or_default())
    }

    /// One node more of this pool.
    pub(crate) fn add(&mut self, pool: &PoolSettings) {
        for tree in trees_of(pool) {
            self.part(tree, &names_of(pool)).own += i64::from(pool.size.capacity.vcpu);
        }
    }

    /// How many vCPU more a pool may have.
    pub(crate) fn available(&self, pool: &PoolSettings) -> i64 {
        let trees = trees_of(pool).into_iter().filter_map(|tree| self.trees.get(&tree));
        trees.map(|tree| tree.available(&names_of(pool))).min().unwrap_or(PLENTY)
    }

    /// Whether one node more of a pool is within what it and those above it have of their own, and the region has it to
    /// give: then nobody may refuse it.
    pub(crate) fn is_its_own(&self, pool: &PoolSettings) -> bool {
        let vcpu = i64::from(pool.size.capacity.vcpu);
        trees_of(pool).into_iter().filter_map(|tree| self.trees.get(&tree)).all(|region| {
            let path = region.path(&names_of(pool));
            let has_it = |part: &&Part| part.bears() + vcpu <= part.has() && !part.is_used_up;
            let whole = path.len() == names_of(pool).len() + 1;
            let most = region.most().is_none_or(|most| region.used() + vcpu <= most);
            whole && most && path.iter().all(has_it)
        })
    }
}
