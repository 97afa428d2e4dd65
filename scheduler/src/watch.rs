//! What the leader sees and nobody else needs to know: who was heard when, and how far attempts have come.
//! Never in the log; a new leader starts with an empty one and believes every node for a full lease.

use crate::ids::{Fence, NodeId};
use crate::limits::Limits;
use crate::message::Phase;
use crate::state::State;
use crate::time::{Millis, WallMicros};
use std::collections::{BTreeMap, BTreeSet};

/// How far an attempt has come, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How far.
    pub phase: Phase,
    /// Since when, by the worker's clock.
    pub at: WallMicros,
}

/// The leader's own observations.
#[derive(Debug, Default)]
pub struct Watch {
    heard: BTreeMap<NodeId, Millis>,
    silent: BTreeSet<NodeId>,
    phases: BTreeMap<Fence, Seen>,
    told: BTreeSet<NodeId>,
    attached: BTreeSet<NodeId>,
}

/// What silence came to.
#[derive(Debug, Default)]
pub struct Expired {
    /// Silent for a lease: nothing more is placed there.
    pub silent: Vec<NodeId>,
    /// Silent for so long that their runs go elsewhere.
    pub lost: Vec<NodeId>,
    /// Asked for long ago and never heard of.
    pub overdue: Vec<NodeId>,
}

impl Watch {
    /// The watch of a new leader: all nodes count as heard just now.
    pub fn begin(state: &State, now: Millis) -> Watch {
        let heard = state.nodes().filter(|(_, node)| node.is_ready()).map(|(id, _)| (id, now)).collect();
        Watch { heard, ..Watch::default() }
    }

    /// A node was heard; tells whether it had been silent.
    pub fn heard(&mut self, node: NodeId, now: Millis) -> bool {
        self.heard.insert(node, now);
        self.told.remove(&node);
        self.silent.remove(&node)
    }

    /// Nobody listened for a while: each node is believed again, as by a new leader.
    pub fn stood_still(&mut self, now: Millis) {
        self.heard.values_mut().for_each(|heard| *heard = now);
    }

    /// A node said what it has.
    pub fn attached(&mut self, node: NodeId) {
        self.attached.insert(node);
    }

    /// Whether this leader knows what a node has. What a worker said before the leader led is lost, and so it
    /// has to say it again.
    pub fn has_attached(&self, node: NodeId) -> bool {
        self.attached.contains(&node)
    }

    /// An attempt went on.
    pub fn saw(&mut self, fence: Fence, seen: Seen) {
        self.phases.insert(fence, seen);
    }

    /// How far an attempt has come, if its worker said so.
    pub fn seen(&self, fence: Fence) -> Option<Seen> {
        self.phases.get(&fence).copied()
    }

    /// Nodes that have been silent for a lease.
    pub fn silent(&self) -> &BTreeSet<NodeId> {
        &self.silent
    }

    /// When a node was last heard.
    pub fn last_heard(&self, node: NodeId) -> Option<Millis> {
        self.heard.get(&node).copied()
    }

    /// Forgets attempts and nodes that are no more.
    pub fn forget_gone(&mut self, state: &State) {
        self.phases.retain(|fence, _| state.attempt(*fence).is_some());
        self.heard.retain(|node, _| state.node(*node).is_some());
        self.silent.retain(|node| state.node(*node).is_some());
        self.told.retain(|node| state.node(*node).is_some());
        self.attached.retain(|node| state.node(*node).is_some());
    }

    /// Forgets one attempt.
    pub fn forget(&mut self, fence: Fence) {
        self.phases.remove(&fence);
    }

    /// What silence has come to by now; each node is told of once.
    pub fn expire(&mut self, state: &State, now: Millis, cluster_now: Millis, limits: &Limits) -> Expired {
        let mut expired = Expired::default();
        for (id, node) in state.nodes() {
            if node.is_coming() && node.requested.after(limits.boot_timeout) <= cluster_now {
                if self.told.insert(id) {
                    expired.overdue.push(id);
                }
                continue;
            }
            if !node.is_ready() {
                continue;
            }
            let heard = *self.heard.entry(id).or_insert(now);
            if heard.after(limits.lease) <= now && self.silent.insert(id) {
                expired.silent.push(id);
            }
            if heard.after(limits.lost_after) <= now && self.told.insert(id) {
                expired.lost.push(id);
            }
        }
        expired
    }
}
