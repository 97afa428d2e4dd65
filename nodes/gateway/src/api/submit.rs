//! Submitting.

use super::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A run to be queued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitRequest {
    /// The run's name: its identity, and the key by which sending the same again is harmless. Taken from the job
    /// when absent, else made up by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The command job, with the keys of Azure ML's YAML; `code` and local inputs are content addresses of what was
    /// put into the blob store before.
    pub job: serde_json::Value,
    /// How many elements; absent for a run that is not an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The experiment, in place of the job's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// The workspace; `default` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
}

/// A run that is queued, durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubmitAnswer {
    /// The run's name.
    pub name: String,
    /// Its workspace.
    pub workspace: String,
    /// The same run had been accepted before; nothing was added.
    pub known: bool,
    /// Where it is found.
    pub url: String,
}

/// Several runs to be queued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchSubmit {
    /// At most 10,000; each is accepted or refused by itself.
    pub runs: Vec<SubmitRequest>,
}

/// What came of each, in the order sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchAnswer {
    /// One for each run.
    pub runs: Vec<BatchItem>,
}

/// What came of one run of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum BatchItem {
    /// It is queued.
    Accepted(SubmitAnswer),
    /// It is not.
    Refused {
        /// Why.
        problem: Problem,
    },
}

/// Which of these blobs the store does not have: asked and answered in the same form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MissingBlobs {
    /// `sha256-` and 64 hexadecimal digits each; at most 4,096.
    pub digests: Vec<String>,
}
