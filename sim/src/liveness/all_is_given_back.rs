//! A cluster that is drained gives every node back.

use super::Demand;
use crate::clock::Micros;
use crate::world::World;

/// All is given back.
pub(super) struct AllIsGivenBack;

impl Demand for AllIsGivenBack {
    fn within(&self) -> Micros {
        Micros::seconds(600)
    }

    fn missing(&mut self, world: &World, _: Micros) -> Option<String> {
        let nodes = world.reference.state().nodes().count();
        let vms = world.cloud.truth().count();
        let drained = world
            .leader()
            .and_then(|id| world.controllers.get(&id)?.core.as_ref())
            .is_some_and(|core| core.is_drained());
        (nodes + vms > 0 || !drained)
            .then(|| format!("drain: {nodes} nodes and {vms} VMs are left, the leader is drained: {drained}"))
    }
}
