//! What starts is due: of runs that need the same of the same pool, none starts before one of higher priority, or of
//! the same priority and submitted earlier, that still waits.

use super::{Applied, Checker};
use crate::coverage::Coverage;
use std::collections::BTreeSet;
use tidegate_scheduler::event::What;
use tidegate_scheduler::ids::RunId;
use tidegate_scheduler::index::Rank;

/// The order is kept.
pub(super) struct OrderIsKept;

/// What else happened in the entry: the leader had planned before it.
fn moved(at: &Applied<'_>) -> BTreeSet<RunId> {
    let run = |what: &What| match what {
        What::Submitted { run, .. } | What::Retried { run, .. } => Some(*run),
        What::Requeued { slot, .. } => Some(slot.run),
        _ => None,
    };
    at.changes.events.iter().filter_map(|event| run(&event.what)).collect()
}

impl Checker for OrderIsKept {
    fn applied(&mut self, at: &Applied<'_>, _: &mut Coverage, found: &mut Vec<String>) {
        let started: BTreeSet<RunId> = at
            .changes
            .events
            .iter()
            .filter_map(|event| match &event.what {
                What::Started { slot, .. } => Some(slot.run),
                _ => None,
            })
            .collect();
        if started.is_empty() || at.after.refused() > at.before.refused() {
            return;
        }
        let moved = moved(at);
        for id in started {
            let Some(run) = at.after.run(id) else { continue };
            let passed_over = at.after.runs().iter().find(|(other, entry)| {
                entry.pool == run.pool
                    && entry.need == run.need
                    && Rank::of(*other, entry) < Rank::of(id, run)
                    && entry.elements.counts().waiting > 0
                    && !moved.contains(other)
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
