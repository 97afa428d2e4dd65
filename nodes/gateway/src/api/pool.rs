//! Pools and the sizes they may have.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PoolView {
    /// Its name.
    pub name: String,
    /// The workspace that owns it.
    pub workspace: String,
    /// The team of the workspace that its VMs count against; absent for the workspace itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// In what order its runs start: `fair` or `strict`.
    pub order: String,
    /// Where its VMs are.
    pub location: String,
    /// Their size.
    pub size: String,
    /// What quota counts them by.
    pub family: String,
    /// `dedicated` or `low_priority`.
    pub tier: String,
    /// vCPU of a node.
    pub vcpu: u32,
    /// MiB of memory of a node.
    pub memory_mib: u64,
    /// GPUs of a node.
    pub gpus: f64,
    /// Never fewer nodes.
    pub min_instances: u32,
    /// Never more nodes.
    pub max_instances: u32,
    /// Seconds that a node stays without work.
    pub idle_time_before_scale_down: f64,
    /// Its nodes.
    pub nodes: NodeCounts,
    /// Runs queued for it or running on it.
    pub open_runs: u64,
    /// Elements of them that wait.
    pub queued_elements: u64,
    /// It takes no more runs and goes once its nodes have.
    pub deleting: bool,
    /// Nodes in a row that could not be made.
    pub boot_failures: u32,
    /// What the provider said last when it could not make one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// How its provider makes nodes, as it was given.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub tidegate: serde_json::Value,
}

/// How many nodes of a pool are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeCounts {
    /// Asked for, or being made.
    pub coming: u32,
    /// Ready and without work.
    pub idle: u32,
    /// Ready and at work.
    pub running: u32,
    /// Broken.
    pub unusable: u32,
    /// Being given back.
    pub leaving: u32,
}

/// How a pool is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PoolDelete {
    /// Cancel its runs instead of refusing.
    #[serde(default)]
    pub force: bool,
}

/// A VM size that a pool may have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SizeView {
    /// Its name.
    pub name: String,
    /// What quota counts it by.
    pub family: String,
    /// vCPU.
    pub vcpu: u32,
    /// MiB of memory.
    pub memory_mib: u64,
    /// GPUs.
    pub gpus: f64,
    /// Price of an hour in the catalogue's currency; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hourly_price: Option<f64>,
}
