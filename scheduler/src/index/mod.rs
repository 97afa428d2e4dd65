//! What the planner looks things up in: derived from the state, on every replica, by what `apply` touched.

mod nodes;
mod queue;

pub use nodes::PoolNodes;
pub(crate) use nodes::{Nodes, Undo};
pub use queue::{Queue, Rank, ShapeQueue};

use crate::ids::{PoolId, RunId};
use crate::state::State;
use crate::state::apply::Touched;
use std::collections::{BTreeMap, BTreeSet};

/// The queue by pool and shape, and the nodes by pool and free capacity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Index {
    queues: BTreeMap<PoolId, Queue>,
    nodes: Nodes,
    /// Pools at which something changed since the planner last looked.
    dirty: BTreeSet<PoolId>,
}

impl Index {
    /// The index of a whole state.
    pub fn of(state: &State) -> Index {
        let mut index = Index::default();
        // Of what has ended nothing waits.
        let open = state.runs().iter().filter(|(_, run)| run.ended.is_none());
        let runs = open.map(|(id, _)| Touched::Run(id));
        let nodes = state.nodes().map(|(id, _)| Touched::Node(id));
        let pools = state.pools().map(|(id, _)| Touched::Pool(id));
        runs.chain(nodes).chain(pools).for_each(|touched| index.refresh(touched, state));
        index
    }

    /// Looks again at what an entry touched.
    pub fn refresh(&mut self, touched: Touched, state: &State) {
        match touched {
            Touched::Run(id) => {
                let Some(run) = state.run(id) else { return };
                self.dirty.insert(run.pool);
                // With its pool goes its queue, in whatever order it was.
                let Some(order) = state.pool(run.pool).map(|pool| pool.settings.order) else {
                    self.queues.remove(&run.pool);
                    return;
                };
                let queue = self.queues.entry(run.pool).or_default();
                queue.set(id, run, order);
                if queue.is_empty() {
                    self.queues.remove(&run.pool);
                }
            }
            Touched::Node(id) => self.dirty.extend(self.nodes.refresh(id, state.node(id))),
            Touched::Controllers => {}
            Touched::Quota => {
                // Pools wait for room in it for what is queued, and to come up to their minimum.
                let serving = |id| self.nodes.pool(id).map_or(0, PoolNodes::serving);
                let below = state.pools().filter(|(id, pool)| serving(*id) < pool.settings.min_instances);
                self.dirty.extend(below.map(|(id, _)| id));
                self.dirty.extend(self.queues.keys());
            }
            Touched::Pool(id) => {
                self.dirty.insert(id);
            }
            Touched::Order(pool) => {
                self.queues.remove(&pool);
                let waiting = state.runs().iter().filter(|(_, run)| run.pool == pool && run.ended.is_none());
                let waiting: Vec<RunId> = waiting.map(|(id, _)| id).collect();
                waiting.into_iter().for_each(|run| self.refresh(Touched::Run(run), state));
            }
            Touched::Workspace(workspace) => {
                let of = |pool: &PoolId| state.pool(*pool).is_some_and(|pool| pool.workspace == workspace);
                self.dirty.extend(self.queues.keys().copied().filter(of));
            }
        }
    }

    /// What waits for a pool.
    pub fn queue(&self, pool: PoolId) -> Option<&Queue> {
        self.queues.get(&pool)
    }

    /// How many elements wait, over all pools.
    pub fn waiting(&self) -> u64 {
        self.queues.values().map(Queue::waiting).sum()
    }

    /// The nodes of a pool.
    pub fn pool_nodes(&self, pool: PoolId) -> Option<&PoolNodes> {
        self.nodes.pool(pool)
    }

    /// A pool's queue to read, and the nodes to take room on.
    pub(crate) fn parts_mut(&mut self, pool: PoolId) -> (Option<&Queue>, &mut Nodes) {
        (self.queues.get(&pool), &mut self.nodes)
    }

    /// Gives back the room that a planning pass took.
    pub(crate) fn undo(&mut self, taken: Vec<Undo>) {
        self.nodes.undo(taken);
    }

    /// Marks a pool as one that the planner must look at.
    pub(crate) fn mark(&mut self, pool: PoolId) {
        self.dirty.insert(pool);
    }

    /// The pools to look at, which are then no longer marked.
    pub(crate) fn take_dirty(&mut self) -> BTreeSet<PoolId> {
        std::mem::take(&mut self.dirty)
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }
}
