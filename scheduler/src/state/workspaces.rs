//! Workspaces: tenants, and how many runs each may have.

use crate::command::RunLimits;
use serde::{Deserialize, Serialize};

/// A tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    /// Its name.
    pub name: Box<str>,
    /// How many runs it may have.
    pub limits: RunLimits,
    /// Its elements on nodes.
    pub running: u32,
    /// Its runs that have not ended.
    pub open: u32,
}

impl Workspace {
    /// How many elements more may run.
    pub fn room(&self) -> u32 {
        self.limits.max_running.map_or(u32::MAX, |most| most.saturating_sub(self.running))
    }
}
