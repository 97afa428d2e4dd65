//! What starts is due: of a team's runs that need the same of the same pool, none starts before one that goes before it
//! and still could start; in a strict pool of all runs, whoever's they are.

use super::{Applied, Checker};
use crate::coverage::Coverage;
use crate::naive::runs;
use std::collections::BTreeMap;
use tidegate_scheduler::command::QueueOrder;
use tidegate_scheduler::event::What;
use tidegate_scheduler::ids::RunId;

/// The order is kept.
pub(super) struct OrderIsKept;

impl Checker for OrderIsKept {
    fn applied(&mut self, at: &Applied<'_>, _: &mut Coverage, found: &mut Vec<String>) {
        let mut started: BTreeMap<RunId, u32> = BTreeMap::new();
        for event in &at.changes.events {
            if let What::Started { slot, .. } = &event.what {
                *started.entry(slot.run).or_default() += 1;
            }
        }
        if started.is_empty() || at.after.refused() > at.before.refused() {
            return;
        }
        for id in started.keys() {
            // Its leader planned by what was there before the entry.
            let Some(run) = at.before.run(*id) else { continue };
            let Some(pool) = at.before.pool(run.pool) else { continue };
            let of = &pool.settings;
            let passed_over = at.before.runs().iter().find(|(other, entry)| {
                let still = |all: u32| all > started.get(other).copied().unwrap_or_default();
                entry.pool == run.pool
                    && entry.need == run.need
                    && (of.order == QueueOrder::Strict || entry.team() == run.team())
                    && runs::place(of, *other, entry) < runs::place(of, *id, run)
                    && still(runs::startable(entry))
                    && at.after.run(*other).is_some_and(|now| runs::startable(now) > 0)
            });
            if let Some((other, _)) = passed_over {
                found.push(format!(
                    "order is kept: entry {}: {id} starts while {other} waits, which goes before it",
                    at.index
                ));
            }
        }
    }
}
