//! Controllers.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// A controller of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControllerView {
    /// Its number; never used again by another.
    pub id: u64,
    /// `ip:port` at which workers and other controllers reach it; empty until it has been heard of.
    pub address: String,
    /// The base URL of its HTTP server; empty when it has none.
    pub http: String,
    /// What it is.
    pub role: ControllerRole,
    /// Whether it leads.
    pub leader: bool,
    /// The last entry of the log that it is known to have; absent when it is unknown to the one that tells this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<u64>,
    /// Entries that it lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Whether the leader has heard of it lately: within an election's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<bool>,
    /// The controller that goes once this one votes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
}

/// What a controller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ControllerRole {
    /// It votes.
    Voter,
    /// It follows, and never votes.
    Learner,
    /// It has been let in, and has not caught up yet.
    Joining,
    /// It is about to go.
    Leaving,
}

impl fmt::Display for ControllerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ControllerRole::Voter => "voter",
            ControllerRole::Learner => "learner",
            ControllerRole::Joining => "joining",
            ControllerRole::Leaving => "leaving",
        })
    }
}

/// A controller that is to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// It votes once it has caught up; else it only follows.
    #[serde(default = "yes")]
    pub voter: bool,
    /// It takes this one's place, which goes once it votes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
}

fn yes() -> bool {
    true
}

impl Default for Invite {
    fn default() -> Invite {
        Invite { voter: true, replaces: None }
    }
}

/// How to drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// Stop what runs, and queue it again, instead of waiting for its end.
    #[serde(default)]
    pub force: bool,
}

/// How far draining has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrainView {
    /// Nothing more is started.
    pub draining: bool,
    /// Nodes that are still there; `GET /api/v1/status` tells how they get fewer.
    pub nodes: u64,
}
