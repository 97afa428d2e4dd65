//! The leader's reconcile loop: what it was told to keep and to take away against what the cloud lists. Whoever leads
//! next is told of every node again.

use crate::clock::Micros;
use crate::cloud::{Cloud, CloudError};
use std::collections::BTreeMap;
use tidegate_scheduler::ids::NodeId;
use tidegate_scheduler::{ProviderEvent, State};

/// How long something must be out of sight before it counts as not there: more than any list lags.
pub const SETTLED: Micros = Micros::seconds(8);
/// Between two deletions of one VM.
const DELETE_AGAIN: Micros = Micros::seconds(10);

/// The loop's memory.
#[derive(Debug, Default)]
pub struct Provider {
    /// What it was told: to make and keep a node, or to take it away.
    orders: BTreeMap<NodeId, bool>,
    /// Since when a node has no VM in the lists.
    absent: BTreeMap<NodeId, Micros>,
    told_booting: BTreeMap<NodeId, ()>,
    deleted: BTreeMap<u64, Micros>,
}

impl Provider {
    /// A node is to be there, or to go.
    pub fn order(&mut self, node: NodeId, wanted: bool) {
        self.orders.insert(node, wanted);
    }

    /// Looks at both sides, asks the cloud for what is missing and too much, and tells what became of nodes.
    pub fn look(&mut self, now: Micros, state: &State, cloud: &mut Cloud) -> Vec<(NodeId, ProviderEvent)> {
        let mut listed: BTreeMap<NodeId, Vec<u64>> = BTreeMap::new();
        for (vm, node) in cloud.list(now) {
            listed.entry(node).or_default().push(vm);
        }
        let mut events = Vec::new();
        self.orders.retain(|node, _| state.node(*node).is_some());
        for (node, wanted) in self.orders.clone() {
            let Some(entry) = state.node(node) else { continue };
            let vms = listed.remove(&node).unwrap_or_default();
            match (wanted, entry.is_coming()) {
                (false, _) => self.release(now, node, &vms, cloud, &mut events),
                (true, true) => self.keep(now, node, &vms, cloud, &mut events),
                (true, false) => {
                    vms.iter().skip(1).for_each(|vm| self.delete(now, *vm, cloud));
                    if self.is_gone(now, node, &vms) {
                        events.push((node, ProviderEvent::Gone));
                    }
                }
            }
        }
        // Left over: nobody knows their nodes any more. One that this leader has not heard of yet stays.
        let orphans = listed.into_iter().filter(|(node, _)| state.has_been(*node));
        for vm in orphans.flat_map(|(_, vms)| vms) {
            self.delete(now, vm, cloud);
        }
        self.absent.retain(|node, _| state.node(*node).is_some());
        self.told_booting.retain(|node, ()| state.node(*node).is_some());
        events
    }

    fn keep(
        &mut self,
        now: Micros,
        node: NodeId,
        vms: &[u64],
        cloud: &mut Cloud,
        events: &mut Vec<(NodeId, ProviderEvent)>,
    ) {
        // Of two that were made for one node the first stays.
        vms.iter().skip(1).for_each(|vm| self.delete(now, *vm, cloud));
        if !vms.is_empty() {
            self.absent.remove(&node);
            if self.told_booting.insert(node, ()).is_none() {
                events.push((node, ProviderEvent::Booting));
            }
            return;
        }
        if self.absent.get(&node).is_some_and(|since| now.since(*since) < SETTLED) {
            return;
        }
        self.absent.insert(node, now);
        match cloud.create(now, node) {
            Ok(_) => {
                self.told_booting.insert(node, ());
                events.push((node, ProviderEvent::Booting));
            }
            Err(CloudError::StockOut) => {
                let reason = "there is no VM of this size now".to_owned();
                events.push((node, ProviderEvent::Failed { reason }));
            }
            // It may have been made: the next lists tell.
            Err(CloudError::TimedOut) => {}
        }
    }

    fn release(
        &mut self,
        now: Micros,
        node: NodeId,
        vms: &[u64],
        cloud: &mut Cloud,
        events: &mut Vec<(NodeId, ProviderEvent)>,
    ) {
        vms.iter().for_each(|vm| self.delete(now, *vm, cloud));
        if self.is_gone(now, node, vms) {
            events.push((node, ProviderEvent::Gone));
        }
    }

    fn is_gone(&mut self, now: Micros, node: NodeId, vms: &[u64]) -> bool {
        if !vms.is_empty() {
            self.absent.remove(&node);
            return false;
        }
        now.since(*self.absent.entry(node).or_insert(now)) >= SETTLED
    }

    fn delete(&mut self, now: Micros, vm: u64, cloud: &mut Cloud) {
        let again = self.deleted.get(&vm).is_none_or(|last| now.since(*last) >= DELETE_AGAIN);
        if again {
            self.deleted.insert(vm, now);
            cloud.delete(now, vm);
        }
    }
}
