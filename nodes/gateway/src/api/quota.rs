//! Quota.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One limit, and what counts against it; in vCPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuotaView {
    /// The VM family.
    pub family: String,
    /// `dedicated` or `low_priority`.
    pub tier: String,
    /// The region.
    pub region: String,
    /// The workspace; absent for the limit over all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The limit; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// All that counts against it.
    pub used: u64,
    /// Of nodes that were asked for.
    pub reserved: u64,
    /// Of nodes that are being made.
    pub provisioning: u64,
    /// Of nodes that exist.
    pub bound: u64,
}

/// A limit to be set or lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaPut {
    /// The VM family, as `GET /api/v1/sizes` names it; in any case.
    pub family: String,
    /// `dedicated` or `low_priority`; `dedicated` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The region; `local` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Limits one workspace; absent limits all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// In vCPU; `null` lifts the limit.
    pub limit: Option<u64>,
}
