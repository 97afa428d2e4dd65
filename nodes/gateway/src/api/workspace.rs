//! Workspaces.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A workspace, and how many runs it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkspaceView {
    /// Its name.
    pub name: String,
    /// Elements of its runs that are on nodes.
    pub running: u32,
    /// Its runs that have not ended; an array counts once.
    pub open: u32,
    /// Never more elements on nodes at once; absent for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running: Option<u32>,
    /// Never more runs that have not ended; absent for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_open: Option<u32>,
}

/// How many runs a workspace may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceLimits {
    /// Elements on nodes at once: more wait. Absent for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running: Option<u32>,
    /// Runs that have not ended: more are refused. Absent for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_open: Option<u32>,
}
