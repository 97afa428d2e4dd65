//! L1: one of the healed quorum leads, within some election time-outs.

use super::Demand;
use crate::clock::Micros;
use crate::world::World;

/// L1.
#[derive(Default)]
pub(super) struct ALeaderLeads {
    /// Since when nobody leads: on a slow network one may be deposed now and then.
    since: Option<Micros>,
}

impl Demand for ALeaderLeads {
    fn within(&self) -> Micros {
        // A snapshot that somebody needs may be half written by a disk that was slow.
        Micros::seconds(30)
    }

    fn since(&self) -> Micros {
        self.since.unwrap_or_default()
    }

    fn missing(&mut self, world: &World, _: Micros) -> Option<String> {
        let leads = world.leader().is_some_and(|id| world.core.contains(&id));
        self.since = (!leads).then(|| self.since.unwrap_or(world.now()));
        let standing = || {
            let core = world.core.iter().filter_map(|id| world.controllers.get(id));
            let each = core.map(|it| match &it.core {
                Some(core) => format!("{} in term {} follows {:?}", core.id(), core.term(), core.leader()),
                None => format!("m{} is {:?}", it.member.id, it.status),
            });
            each.collect::<Vec<_>>().join("; ")
        };
        (!leads).then(|| format!("L1 leader: nobody of {:?} leads: {}", world.core, standing()))
    }

    fn justified(&self, world: &World) -> Option<String> {
        let decides = world.is_quorum(&world.core);
        (!decides).then(|| "no quorum has what it acknowledged".to_owned())
    }
}
