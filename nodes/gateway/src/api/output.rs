//! What an attempt left behind.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Everything that the accepted attempt of one element left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutputList {
    /// The run.
    pub run: String,
    /// The element.
    pub element: u32,
    /// Its outputs: `default` holds the folders `outputs/` and `logs/`, the others are named by the job.
    pub items: Vec<OutputView>,
}

/// One output: a folder, kept as a tree of blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutputView {
    /// Its name.
    pub name: String,
    /// The blob that lists what is in it.
    pub tree: String,
    /// How many files it has.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
}
