//! What the leader decides: pure functions of state, index and time, bounded by steps and never by a clock.
//!
//! The stages, in order: place what waits on nodes that are there; ask for nodes for what is left; give
//! back nodes that nobody needs; drop runs that ended long ago.

mod grant;
pub mod membership;
pub mod pack;
mod place;
mod retain;
mod rise;
mod scale;
mod share;
pub mod version;

use crate::command::PlanCommand;
use crate::ids::{NodeId, PoolId, WorkspaceId};
use crate::index::Index;
use crate::limits::Limits;
use crate::mutants::{self, Mutant};
use crate::state::State;
use crate::state::workspaces::Workspace;
use crate::time::Millis;
use place::{Left, Placing};
use std::collections::{BTreeMap, BTreeSet};

/// What a pass looks at.
pub struct Situation<'a> {
    /// The replicated state.
    pub state: &'a State,
    /// The cluster's time now; the state's own may be a little older.
    pub now: Millis,
    /// Nodes on which nothing may be placed: their worker is silent.
    pub silent: &'a BTreeSet<NodeId>,
    /// Whether the cluster is being stopped.
    pub drain: Drain,
    /// The bounds.
    pub limits: &'a Limits,
}

impl Situation<'_> {
    /// How many elements more a workspace may run.
    fn room_of(&self, workspace: WorkspaceId) -> u32 {
        self.state.workspace_of(workspace).map_or(0, Workspace::room)
    }
}

/// Whether the cluster is being stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drain {
    /// No.
    #[default]
    No,
    /// Nothing starts; nodes go once they have nothing to do.
    Wait,
    /// Nothing starts; nodes go now.
    Force,
}

/// What a pass decided.
#[derive(Debug, Default)]
pub struct Plan {
    /// For the next entry.
    pub commands: Vec<PlanCommand>,
    /// When to look again, although nothing may have happened until then.
    pub look_again: Option<Millis>,
    /// Pools at which the step budget ran out.
    pub unfinished: BTreeSet<PoolId>,
}

impl Plan {
    fn wait_until(&mut self, moment: Millis) {
        self.look_again = Some(self.look_again.map_or(moment, |known| known.min(moment)));
    }
}

/// Of what is left, no more elements than may run, the largest first: what its workspace may not run needs no node.
fn within(left: Left, mut room: u32) -> Left {
    let mut cut = Left::new();
    for (need, waiting) in left.into_iter().rev() {
        let taken = waiting.min(room.into());
        room -= taken as u32;
        cut.insert(need, taken);
    }
    cut
}

/// One pass over the pools in `dirty`, beginning with another one each time: where the step budget does not do for all, none
/// of them is always the last.
pub fn plan(situation: &Situation<'_>, index: &mut Index, dirty: &BTreeSet<PoolId>) -> Plan {
    let mut plan = Plan::default();
    let mut taken = Vec::new();
    let mut wants = Vec::new();
    let mut rooms: BTreeMap<WorkspaceId, u32> = BTreeMap::new();
    let first = situation.state.turn(situation.now);
    for id in dirty.range(first..).chain(dirty.range(..first)) {
        let Some(pool) = situation.state.pool(*id) else {
            continue;
        };
        if situation.drain > Drain::No {
            scale::drain(situation, index.pool_nodes(*id), &mut plan);
            continue;
        }
        let (queue, nodes) = index.parts_mut(*id);
        let left = match queue {
            Some(queue) if !pool.deleting => {
                rise::rise(situation, pool, queue, &mut plan);
                let room = rooms.entry(pool.workspace).or_insert_with(|| situation.room_of(pool.workspace));
                let placing =
                    Placing { situation, id: *id, pool, queue, nodes, taken: &mut taken, room: *room };
                let (left, placed) = placing.place(&mut plan);
                *room -= placed;
                within(left, *room)
            }
            _ => Left::new(),
        };
        wants.extend(scale::scale(situation, index.pool_nodes(*id), *id, pool, &left, &mut plan));
    }
    grant::grant(situation, wants, &mut plan);
    if !mutants::is(Mutant::KeepPlanned) {
        index.undo(taken);
    }
    retain::retain(situation, &mut plan);
    plan
}
