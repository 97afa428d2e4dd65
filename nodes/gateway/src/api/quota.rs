//! Quota.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a region, a workspace or a team may have, and what it has; in vCPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuotaView {
    /// The VM family; absent for what counts over all families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// `dedicated` or `low_priority`.
    pub tier: String,
    /// The region.
    pub region: String,
    /// The workspace; absent for what counts over all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The team of the workspace; absent for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The most that it may ever have; absent when only what others need limits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What was granted; absent when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowance: Option<QuotaAllowance>,
    /// All that counts against it.
    pub used: u64,
    /// Of nodes that were asked for.
    pub reserved: u64,
    /// Of nodes that are being made.
    pub provisioning: u64,
    /// Of nodes that exist.
    pub bound: u64,
    /// What of it is another's.
    pub borrowed: u64,
    /// What was borrowed lately: half as much for each week ago.
    pub borrowed_lately: f64,
    /// What is used of its budget; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_vcpu_hours: Option<f64>,
    /// Seconds until the budget's next period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_resets_in: Option<f64>,
}

/// What is granted to a region, a workspace or a team; in vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaAllowance {
    /// Its own: it comes before all that borrow when some are free. What its parts are granted is part of it.
    #[serde(default)]
    pub nominal: u64,
    /// What it may have beyond, while others do not need it; all that there is when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub borrowing_limit: Option<u64>,
    /// What of its own others may borrow; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lending_limit: Option<u64>,
    /// Its part of what is spare, beside its siblings; 1 when absent.
    #[serde(default = "one")]
    pub weight: u32,
    /// vCPU-hours that it may use in a period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<QuotaBudget>,
}

fn one() -> u32 {
    1
}

/// vCPU-hours in a period of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaBudget {
    /// So many.
    pub vcpu_hours: u64,
    /// In each of these.
    pub period: QuotaPeriod,
}

/// A period of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuotaPeriod {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A month.
    Month,
}

/// An allowance to be set or lifted. Neither `limit` nor `allowance` lifts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaPut {
    /// The VM family, as `GET /api/v1/sizes` names it, in any case; absent for what counts over all families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// `dedicated` or `low_priority`; `dedicated` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The region; `local` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// One workspace; absent for all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// One team of the workspace; absent for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Never more vCPU than this, and nothing that is kept for it: a plain limit, in place of `allowance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// All that can be granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowance: Option<QuotaAllowance>,
}
