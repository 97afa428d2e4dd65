//! How much of a pool each team has, so that he who has the least for his weight comes next.

use super::Situation;
use crate::command::{QueueOrder, QuotaKey};
use crate::index::Queue;
use crate::mutants::{self, Mutant};
use crate::state::pools::Pool;
use crate::state::quota::{Account, Ratio};
use std::collections::BTreeMap;

/// What each team has on a pool, as a pass goes on.
#[derive(Default)]
pub(super) struct Shares<'a> {
    teams: BTreeMap<&'a str, (Ratio, u128)>,
}

impl<'a> Shares<'a> {
    /// Those of the teams of a queue; of none where there is nobody to share with.
    pub(super) fn of(situation: &Situation<'_>, pool: &Pool, queue: &'a Queue) -> Shares<'a> {
        if pool.settings.order == QueueOrder::Strict || queue.teams().len() < 2 {
            return Shares::default();
        }
        let Account { region, family, tier, workspace, .. } = pool.account();
        let weight = |team: &str| {
            let key = QuotaKey {
                region: region.clone(),
                family: Some(family.clone()),
                tier,
                workspace: Some(workspace.clone()),
                team: Some(team.to_owned()),
            };
            situation.state.quota().allowance(&key).map_or(1, |allowance| u128::from(allowance.weight))
        };
        let share = |team: &'a str| {
            let history = pool.teams.get(team).copied().unwrap_or_default();
            // Both in thousandths of a millionth of a node: what it has, and what it had lately.
            let has = u128::from(history.rate()) * 1000 + u128::from(history.average_milli(situation.now));
            (team, (Ratio { over: has, under: weight(team) }, 0))
        };
        Shares { teams: queue.teams().map(share).collect() }
    }

    /// Whether there is nobody to compare with.
    pub(super) fn is_alone(&self) -> bool {
        self.teams.is_empty()
    }

    /// Where a team stands: smaller goes first.
    pub(super) fn share(&self, team: &str) -> Ratio {
        match self.teams.get(team).filter(|_| !mutants::is(Mutant::IgnoreShares)) {
            Some((Ratio { over, under }, taken)) => Ratio { over: over + taken, under: *under },
            None => Ratio::NOTHING,
        }
    }

    /// A team takes so many millionths of a node.
    pub(super) fn take(&mut self, team: &str, part: u64) {
        if let Some((_, taken)) = self.teams.get_mut(team) {
            *taken += u128::from(part) * 1000;
        }
    }
}
