//! All of the healed quorum come to the same entry.

use super::Demand;
use crate::clock::Micros;
use crate::world::World;

/// All catch up.
pub(super) struct ReplicasCatchUp;

impl Demand for ReplicasCatchUp {
    fn within(&self) -> Micros {
        Micros::seconds(120)
    }

    fn missing(&mut self, world: &World, _: Micros) -> Option<String> {
        let newest = world.reference.index();
        let members = world.core.iter().filter(|id| world.members.contains(**id));
        let behind = members.filter_map(|id| {
            let applied = world.controllers.get(id)?.core.as_ref()?.state().applied();
            // The log goes on while one catches up.
            (applied + 50 < newest).then(|| format!("controller {id} is at entry {applied} of {newest}"))
        });
        behind.into_iter().next().map(|what| format!("replicas catch up: {what}"))
    }
}
