//! S4: what is placed on a node, by a ledger made from history alone, fits its size; and nothing is placed on a
//! node that is not ready.

use super::{Applied, Checker};
use crate::coverage::Coverage;
use std::collections::BTreeMap;
use tidegate_scheduler::event::What;
use tidegate_scheduler::ids::{Fence, NodeId, RunId, Slot};
use tidegate_scheduler::resources::{Need, Resources};

/// S4.
#[derive(Default)]
pub(super) struct AllocationsFit {
    needs: BTreeMap<RunId, Need>,
    placed: BTreeMap<Slot, (Fence, NodeId)>,
    on: BTreeMap<NodeId, BTreeMap<Fence, Slot>>,
}

impl AllocationsFit {
    fn take(&mut self, slot: Slot) {
        if let Some((fence, node)) = self.placed.remove(&slot)
            && let Some(on) = self.on.get_mut(&node)
        {
            on.remove(&fence);
        }
    }

    fn sum(&self, node: NodeId, capacity: &Resources) -> Resources {
        let slots = self.on.get(&node).into_iter().flat_map(BTreeMap::values);
        let needs = slots.filter_map(|slot| self.needs.get(&slot.run));
        needs.fold(Resources::default(), |sum, need| sum.plus(&need.on(capacity)))
    }

    fn check(&self, node: NodeId, at: &Applied<'_>, found: &mut Vec<String>) {
        let held = self.on.get(&node).map_or(0, BTreeMap::len);
        let Some(entry) = at.after.node(node) else {
            if held > 0 {
                found.push(format!(
                    "S4 allocations: entry {}: {held} attempts on {node}, which is gone",
                    at.index
                ));
            }
            return;
        };
        let Some(pool) = at.after.pool(entry.pool) else { return };
        let sum = self.sum(node, pool.capacity());
        if !pool.capacity().fits(&sum) {
            found.push(format!(
                "S4 allocations: entry {}: {sum} are placed on {node}, which has {}",
                at.index,
                pool.capacity()
            ));
        }
        if held > 0 && !entry.is_ready() {
            found.push(format!(
                "S4 allocations: entry {}: {held} attempts on {node}, which is {:?}",
                at.index, entry.phase
            ));
        }
        if pool.capacity().minus(&sum).is_some_and(|free| free != entry.free) {
            found.push(format!(
                "S4 allocations: entry {}: {node} says that {} are free, of {} history has {sum} placed",
                at.index,
                entry.free,
                pool.capacity()
            ));
        }
    }
}

impl Checker for AllocationsFit {
    fn applied(&mut self, at: &Applied<'_>, _: &mut Coverage, found: &mut Vec<String>) {
        let mut touched = Vec::new();
        for event in &at.changes.events {
            match &event.what {
                What::Submitted { run, submit, .. } => drop(self.needs.insert(*run, submit.need)),
                What::Started { slot, fence, node, .. } => {
                    self.take(*slot);
                    self.placed.insert(*slot, (*fence, *node));
                    self.on.entry(*node).or_default().insert(*fence, *slot);
                    touched.push(*node);
                }
                What::Ended { slot, .. } | What::Requeued { slot, .. } | What::Abandoned { slot, .. } => {
                    touched.extend(self.placed.get(slot).map(|(_, node)| *node));
                    self.take(*slot);
                }
                What::Canceled { run, from, to } => {
                    for element in *from..*to {
                        let slot = Slot { run: *run, element };
                        touched.extend(self.placed.get(&slot).map(|(_, node)| *node));
                        self.take(slot);
                    }
                }
                What::Node { node, .. } => touched.push(*node),
                What::Forgotten { runs } => self.needs.retain(|run, _| !runs.contains(run)),
                What::RunEnded { .. }
                | What::Retried { .. }
                | What::CancelRequested { .. }
                | What::PoolApplied { .. }
                | What::PoolDeleted { .. }
                | What::QuotaSet { .. }
                | What::PrerequisiteNotMet { .. }
                | What::Promoted { .. }
                | What::WorkspaceSet { .. } => {}
            }
        }
        touched.sort();
        touched.dedup();
        touched.into_iter().for_each(|node| self.check(node, at, found));
    }
}
