//! L10: no VM is left that no node needs, and no node without its VM.

use super::Demand;
use crate::clock::Micros;
use crate::world::World;
use std::collections::BTreeSet;
use tidegate_scheduler::ids::NodeId;
use tidegate_scheduler::state::nodes::NodePhase;

/// L10.
pub(super) struct MachinesAreNeeded;

impl Demand for MachinesAreNeeded {
    fn within(&self) -> Micros {
        Micros::seconds(600)
    }

    fn missing(&mut self, world: &World, _: Micros) -> Option<String> {
        if !world.vms.is_clean() {
            return Some("L10 orphans: there are VMs that no node needs".into());
        }
        let there: BTreeSet<NodeId> = world.cloud.truth().map(|(_, vm)| vm.node).collect();
        let state = world.reference.state();
        if let Some((node, _)) = state.nodes().find(|(_, node)| node.phase == NodePhase::Leaving) {
            return Some(format!("L10 orphans: {node} does not go"));
        }
        let (node, entry) = state.nodes().find(|(node, entry)| entry.is_ready() && !there.contains(node))?;
        Some(format!("L10 orphans: {node} is {:?} and has no VM", entry.phase))
    }
}
