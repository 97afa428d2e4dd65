//! The controllers of the cluster: who should be a member of the group, and where each is reached.

use crate::ids::ControllerId;
use serde::{Deserialize, Serialize};

/// Where a controller is reached, as it says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerCard {
    /// `ip:port` at which other controllers and workers connect; empty until it was heard of.
    pub address: String,
    /// The base URL of its HTTP server; empty when it has none.
    pub http: String,
    /// The highest machine version that it supports; 0 until it was heard of, and of releases that do not say.
    #[serde(default)]
    pub supports: u32,
}

/// What a controller should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// It votes, once it has caught up.
    Voter,
    /// It only follows.
    Learner,
    /// It goes.
    Leaving,
}

/// A controller, as all replicas know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// Where it is.
    pub card: ControllerCard,
    /// What it should be.
    pub wish: Wish,
    /// It takes this one's place: that one goes when this one votes.
    pub replaces: Option<ControllerId>,
}
