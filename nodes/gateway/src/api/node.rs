//! Nodes.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// A node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its pool.
    pub pool: String,
    /// The pool's workspace.
    pub workspace: String,
    /// Where it stands.
    pub state: NodeState,
    /// What is wrong with it, when it is unusable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds for which it has been in that state.
    pub for_seconds: f64,
    /// Seconds since it was asked for.
    pub age_seconds: f64,
    /// What runs on it: names of runs, with the element's number for arrays.
    pub runs: Vec<String>,
    /// vCPU that are not taken.
    pub free_vcpu: u32,
    /// MiB of memory that are not taken.
    pub free_memory_mib: u64,
    /// GPUs that are not taken.
    pub free_gpus: f64,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Asked for; its quota is reserved.
    Requested,
    /// Its provider works on it.
    Booting,
    /// Ready and without work.
    Idle,
    /// Ready and at work.
    Running,
    /// Its worker has been silent for a lease; nothing new is placed on it.
    Silent,
    /// It can run nothing.
    Unusable,
    /// Being given back.
    Leaving,
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            NodeState::Requested => "requested",
            NodeState::Booting => "booting",
            NodeState::Idle => "idle",
            NodeState::Running => "running",
            NodeState::Silent => "silent",
            NodeState::Unusable => "unusable",
            NodeState::Leaving => "leaving",
        })
    }
}
