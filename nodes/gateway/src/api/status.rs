//! The server itself.

use super::{ControllerView, NodeCounts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the server does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// Its release.
    pub version: String,
    /// Its data folder.
    pub data: String,
    /// The controller that tells this: whichever is asked, the one that leads answers.
    pub controller: u64,
    /// Whether that controller leads.
    pub leader: bool,
    /// The term in which it leads: it rises with every election.
    pub term: u64,
    /// All controllers of the cluster.
    pub controllers: Vec<ControllerView>,
    /// It starts nothing more, and gives its nodes back.
    pub draining: bool,
    /// The last entry of the log that is part of what it shows.
    pub applied: u64,
    /// Seconds since it started.
    pub uptime_seconds: f64,
    /// Why no new work is accepted, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusing: Option<String>,
    /// Pools.
    pub pools: u64,
    /// Nodes of all pools.
    pub nodes: NodeCounts,
    /// Runs that have not ended.
    pub open_runs: u64,
    /// Runs that have ended and are remembered.
    pub ended_runs: u64,
    /// Elements that wait.
    pub queued_elements: u64,
    /// Elements on nodes.
    pub running_elements: u64,
}
