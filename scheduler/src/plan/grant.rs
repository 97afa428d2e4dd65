//! Who gets the nodes that quota leaves room for, where several pools want some: one node after another, each to the pool
//! whose owner stands best once he has it.

use super::{Plan, Situation};
use crate::command::PlanCommand;
use crate::ids::PoolId;
use crate::mutants::{self, Mutant};
use crate::state::quota::{Account, Now, Quota};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a pool wants.
pub(super) struct Want {
    pub(super) pool: PoolId,
    pub(super) account: Account,
    /// What one node counts.
    pub(super) vcpu: u64,
    /// How many nodes.
    pub(super) nodes: u64,
}

pub(super) fn grant(situation: &Situation<'_>, mut wants: Vec<Want>, plan: &mut Plan) {
    wants.retain(|want| want.nodes > 0);
    let now = Now { time: situation.now, wall: situation.state.wall() };
    let request = |plan: &mut Plan, want: &Want, nodes: u64| {
        plan.commands.extend((0..nodes).map(|_| PlanCommand::RequestNode { pool: want.pool }));
    };
    if mutants::is(Mutant::IgnoreQuota) {
        wants.iter().for_each(|want| request(plan, want, want.nodes));
        return;
    }
    if let [alone] = wants.as_slice() {
        let granted = situation.state.quota().room(&alone.account, alone.vcpu, now).min(alone.nodes);
        request(plan, alone, granted);
        if granted < alone.nodes {
            wait_for_budget(situation.state.quota(), alone, now, plan);
        }
        return;
    }
    let mut quota = situation.state.quota().clone();
    let standing = |quota: &Quota, want: &Want| quota.standing(&want.account, want.vcpu, now);
    let mut heads: BinaryHeap<_> =
        wants.iter().enumerate().map(|(at, want)| Reverse((standing(&quota, want), at))).collect();
    while let Some(Reverse((stood, at))) = heads.pop() {
        let want = &mut wants[at];
        // Another one's grant may have moved it.
        let stands = standing(&quota, want);
        if stands > stood {
            heads.push(Reverse((stands, at)));
            continue;
        }
        if quota.room(&want.account, want.vcpu, now) == 0 {
            wait_for_budget(&quota, want, now, plan);
            continue;
        }
        quota.grant(&want.account, want.vcpu, now);
        request(plan, want, 1);
        want.nodes -= 1;
        if want.nodes > 0 {
            heads.push(Reverse((standing(&quota, want), at)));
        }
    }
}

/// Time alone brings a budget back.
fn wait_for_budget(quota: &Quota, want: &Want, now: Now, plan: &mut Plan) {
    if let Some(span) = quota.resets_in(&want.account, now) {
        plan.wait_until(now.time.after(span));
    }
}
