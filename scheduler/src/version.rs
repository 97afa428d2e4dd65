//! The machine version: which formats and rules a cluster follows.
//!
//! It stands in the state, and an entry raises it once every controller has said that it supports more. So releases can
//! be mixed while a cluster is upgraded, one controller after another, and formats and rules change without a stop. From
//! then on a release that does not support it can follow no more, and says so.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What every release supports, and what a new cluster begins with.
pub const FIRST: u32 = 1;

/// The highest version that this build supports; it supports all before it.
pub const NEWEST: u32 = 1;

/// The cluster is beyond what this build supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error(
    "the cluster is of machine version {version}, and this release supports up to {supports}: install the release that \
     the other controllers have, and start this one again; nothing on its disk is lost"
)]
pub struct Unsupported {
    /// The cluster's.
    pub version: u32,
    /// The highest that this build supports.
    pub supports: u32,
}
