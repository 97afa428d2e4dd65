//! Nodes: one VM each, from the moment that quota is reserved for it until its provider says that it is gone.

use crate::ids::{Fence, PoolId};
use crate::resources::Resources;
use crate::state::quota::Stage;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its pool.
    pub pool: PoolId,
    /// How far it has come.
    pub phase: NodePhase,
    /// Since when it is in that phase; for a ready node without work, since when it has none.
    pub since: Millis,
    /// When it was asked for.
    pub requested: Millis,
    /// What is not taken.
    pub free: Resources,
    /// The attempts on it.
    pub attempts: BTreeSet<Fence>,
    /// What its worker said when it first attached; 0 before.
    pub incarnation: u64,
}

/// How far a node has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodePhase {
    /// Asked for; its quota is reserved.
    Requested,
    /// Its provider works on it.
    Booting,
    /// Its worker has attached.
    Ready,
    /// It can run nothing; to be released.
    Unusable {
        /// Why.
        reason: String,
    },
    /// Being given back; its quota counts until it is gone.
    Leaving,
}

impl Node {
    /// A node that was just asked for.
    pub fn requested(pool: PoolId, capacity: Resources, now: Millis) -> Node {
        Node {
            pool,
            phase: NodePhase::Requested,
            since: now,
            requested: now,
            free: capacity,
            attempts: BTreeSet::new(),
            incarnation: 0,
        }
    }

    /// Whether runs may be placed on it.
    pub fn is_ready(&self) -> bool {
        self.phase == NodePhase::Ready
    }

    /// Whether it is on its way to being ready.
    pub fn is_coming(&self) -> bool {
        matches!(self.phase, NodePhase::Requested | NodePhase::Booting)
    }

    /// Whether it is ready and has nothing to do.
    pub fn is_idle(&self) -> bool {
        self.is_ready() && self.attempts.is_empty()
    }

    /// How its vCPU count against quota.
    pub fn stage(&self) -> Stage {
        match self.phase {
            NodePhase::Requested => Stage::Reserved,
            NodePhase::Booting => Stage::Provisioning,
            NodePhase::Ready | NodePhase::Unusable { .. } | NodePhase::Leaving => Stage::Bound,
        }
    }
}
