//! L10: no VM is left that no node needs, no node that was given back stays, and none is without its VM.

use super::Demand;
use crate::clock::Micros;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::ids::NodeId;
use tidegate_scheduler::state::nodes::NodePhase;

/// L10.
#[derive(Default)]
pub(super) struct MachinesAreNeeded {
    /// Nodes that should go, or that lack their VM, and since when.
    wrong: BTreeMap<NodeId, Micros>,
    orphans: Option<Micros>,
}

impl Demand for MachinesAreNeeded {
    fn within(&self) -> Micros {
        Micros::seconds(200)
    }

    fn since(&self) -> Micros {
        let first = self.wrong.values().chain(&self.orphans).min();
        first.copied().unwrap_or_default()
    }

    fn missing(&mut self, world: &World, _: Micros) -> Option<String> {
        let now = world.now();
        let there: BTreeSet<NodeId> = world.cloud.truth().map(|(_, vm)| vm.node).collect();
        let nodes = world.reference.state().nodes();
        let wrong = nodes.filter(|(id, node)| {
            node.phase == NodePhase::Leaving || (node.is_ready() && !there.contains(id))
        });
        let since = |id: NodeId| self.wrong.get(&id).copied().unwrap_or(now);
        self.wrong = wrong.map(|(id, _)| (id, since(id))).collect();
        self.orphans = (!world.vms.is_clean()).then(|| self.orphans.unwrap_or(now));
        if self.orphans.is_some() {
            return Some("L10 orphans: there are VMs that no node needs".into());
        }
        let (node, since) = self.wrong.iter().min_by_key(|(_, since)| **since)?;
        Some(format!("L10 orphans: {node} does not go, or has no VM, since {since:?}"))
    }
}
