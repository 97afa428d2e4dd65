//! The nodes of each pool, by what is free on them and by how long they have had no work.

use crate::ids::{NodeId, PoolId};
use crate::mutants::{self, Mutant};
use crate::resources::{Need, Resources};
use crate::state::nodes::{Node, NodePhase};
use crate::time::Millis;
use std::collections::{BTreeMap, BTreeSet};

/// Where a node stands in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Coming(Millis),
    Idle(Millis, Resources),
    Busy(Resources),
    Unusable,
    Leaving,
}

impl Place {
    fn of(node: &Node) -> Place {
        match node.phase {
            NodePhase::Requested | NodePhase::Booting => Place::Coming(node.requested),
            NodePhase::Ready if node.attempts.is_empty() => Place::Idle(node.since, node.free),
            NodePhase::Ready => Place::Busy(node.free),
            NodePhase::Unusable { .. } => Place::Unusable,
            NodePhase::Leaving => Place::Leaving,
        }
    }
}

/// The nodes of one pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolNodes {
    by_free: BTreeSet<(Resources, NodeId)>,
    idle: BTreeSet<(Millis, NodeId)>,
    coming: BTreeSet<(Millis, NodeId)>,
    unusable: BTreeSet<NodeId>,
    leaving: BTreeSet<NodeId>,
}

impl PoolNodes {
    /// The ready nodes by what is free on them, the fullest first.
    pub fn by_free(&self) -> impl DoubleEndedIterator<Item = (Resources, NodeId)> + '_ {
        self.by_free.iter().copied()
    }

    /// The ready nodes without work, the longest idle first, with the moment since when.
    pub fn idle(&self) -> impl DoubleEndedIterator<Item = (Millis, NodeId)> + '_ {
        self.idle.iter().copied()
    }

    /// The nodes on their way, the first asked for first, with that moment.
    pub fn coming(&self) -> impl DoubleEndedIterator<Item = (Millis, NodeId)> + '_ {
        self.coming.iter().copied()
    }

    /// The nodes that can run nothing.
    pub fn unusable(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.unusable.iter().copied()
    }

    /// How many are ready.
    pub fn ready(&self) -> usize {
        self.by_free.len()
    }

    /// How many are being given back.
    pub fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// How many are ready or on their way.
    pub fn serving(&self) -> u32 {
        (self.by_free.len() + self.coming.len()) as u32
    }

    /// The best node for `need`: the fullest on which it fits; for a whole node, the one idle most recently,
    /// so that those long idle can go.
    pub(crate) fn best_fit(&self, need: &Need, without: &BTreeSet<NodeId>) -> Option<NodeId> {
        let usable = |node: &NodeId| !without.contains(node);
        match need {
            Need::WholeNode => self.idle.iter().rev().map(|(_, node)| *node).find(usable),
            Need::Part(part) if mutants::is(Mutant::WorstFit) => {
                let mut emptiest = self.by_free.iter().rev();
                emptiest.find(|(free, node)| free.fits(part) && usable(node)).map(|(_, node)| *node)
            }
            Need::Part(part) => {
                let least = Resources { vcpu: part.vcpu, memory_mib: 0, gpu_milli: 0 };
                self.by_free
                    .range((least, NodeId(0))..)
                    .find(|(free, node)| free.fits(part) && usable(node))
                    .map(|(_, node)| *node)
            }
        }
    }

    fn put(&mut self, id: NodeId, place: Place) {
        match place {
            Place::Coming(since) => drop(self.coming.insert((since, id))),
            Place::Idle(since, free) => {
                self.idle.insert((since, id));
                self.by_free.insert((free, id));
            }
            Place::Busy(free) => drop(self.by_free.insert((free, id))),
            Place::Unusable => drop(self.unusable.insert(id)),
            Place::Leaving => drop(self.leaving.insert(id)),
        }
    }

    fn take(&mut self, id: NodeId, place: Place) {
        match place {
            Place::Coming(since) => drop(self.coming.remove(&(since, id))),
            Place::Idle(since, free) => {
                self.idle.remove(&(since, id));
                self.by_free.remove(&(free, id));
            }
            Place::Busy(free) => drop(self.by_free.remove(&(free, id))),
            Place::Unusable => drop(self.unusable.remove(&id)),
            Place::Leaving => drop(self.leaving.remove(&id)),
        }
    }

    fn is_empty(&self) -> bool {
        self.serving() == 0 && self.unusable.is_empty() && self.leaving.is_empty()
    }
}

/// All nodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Nodes {
    pools: BTreeMap<PoolId, PoolNodes>,
    places: BTreeMap<NodeId, (PoolId, Place)>,
}

impl Nodes {
    pub(crate) fn pool(&self, pool: PoolId) -> Option<&PoolNodes> {
        self.pools.get(&pool)
    }

    /// Looks at a node again; gives back its pool, if it has or had one.
    pub(super) fn refresh(&mut self, id: NodeId, node: Option<&Node>) -> Option<PoolId> {
        let before = self.places.get(&id).map(|(pool, _)| *pool);
        self.set(id, node.map(|node| (node.pool, Place::of(node))));
        node.map(|node| node.pool).or(before)
    }

    fn set(&mut self, id: NodeId, place: Option<(PoolId, Place)>) {
        let before = match place {
            Some(place) => self.places.insert(id, place),
            None => self.places.remove(&id),
        };
        if let Some((pool, place)) = before
            && let Some(nodes) = self.pools.get_mut(&pool)
        {
            nodes.take(id, place);
            if nodes.is_empty() {
                self.pools.remove(&pool);
            }
        }
        if let Some((pool, place)) = place {
            self.pools.entry(pool).or_default().put(id, place);
        }
    }

    /// Takes room on a node for the rest of a planning pass; `undo` gives it back.
    pub(crate) fn take_room(&mut self, id: NodeId, need: &Need, capacity: &Resources) -> Option<Undo> {
        let (pool, place) = *self.places.get(&id)?;
        let free = match place {
            Place::Idle(_, free) | Place::Busy(free) => free,
            Place::Coming(_) | Place::Unusable | Place::Leaving => return None,
        };
        let left = free.minus(&need.on(capacity))?;
        self.set(id, Some((pool, Place::Busy(left))));
        Some(Undo { id, before: (pool, place) })
    }

    /// Gives room back, in the opposite order of taking.
    pub(crate) fn undo(&mut self, taken: Vec<Undo>) {
        taken.into_iter().rev().for_each(|undo| self.set(undo.id, Some(undo.before)));
    }
}

/// What a node was before room was taken on it.
#[derive(Debug)]
pub(crate) struct Undo {
    id: NodeId,
    before: (PoolId, Place),
}
