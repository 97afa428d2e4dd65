//! What a controller must be told.

use crate::disk::{DataFolder, LogOptions};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_provider::{Catalogue, NodeOrder};
use tidegate_scheduler::Limits;
use tidegate_transport::tls::{CaCert, Identity};

/// What is needed to make a node's folder ready for its worker.
pub struct NodeSetup<'a> {
    /// What is to be made.
    pub order: &'a NodeOrder,
    /// The node's folder; it exists.
    pub folder: &'a Path,
    /// The node's certificate and key.
    pub identity: Identity,
    /// The cluster's authority.
    pub ca: &'a CaCert,
    /// A file of `ip:port` lines at which controllers are reached; it may change.
    pub controllers: &'a Path,
    /// The cluster's name.
    pub cluster: &'a str,
}

/// Writes what a worker reads at its start into its folder.
pub type SetUpNode = Arc<dyn Fn(NodeSetup<'_>) -> Result<(), String> + Send + Sync>;

/// What a controller must be told.
#[derive(Clone)]
pub struct ControllerConfig {
    /// The data folder; made if absent, and locked.
    pub data: PathBuf,
    /// The cluster's name, in certificates.
    pub cluster: String,
    /// Where workers and other controllers connect. Port 0 takes a free one at the first start, and the same one ever
    /// after.
    pub listen: SocketAddr,
    /// The `ip:port` told to others instead of `listen`, where that is not what they see.
    pub advertise: Option<SocketAddr>,
    /// The base URL of the HTTP server that is told to others; empty for none.
    pub http: String,
    /// The folder of local nodes, which controllers of one machine share; `nodes` in the data folder when absent.
    pub nodes: Option<PathBuf>,
    /// Where all that the core is told is recorded, for a replay.
    pub record: Option<PathBuf>,
    /// The core's bounds and time-outs.
    pub limits: Limits,
    /// The durable log's.
    pub log: LogOptions,
    /// The VM sizes that pools may have.
    pub catalogue: Catalogue,
    /// The program that a local node runs (an absolute path) and its first arguments; the path of
    /// `worker.toml` in the node's folder follows.
    pub worker_program: (PathBuf, Vec<OsString>),
    /// Writes a node's `worker.toml`, and what that names.
    pub set_up_node: SetUpNode,
}

impl ControllerConfig {
    /// The folder of local nodes.
    pub(crate) fn nodes_folder(&self, folder: &DataFolder) -> PathBuf {
        self.nodes.clone().unwrap_or_else(|| folder.nodes())
    }
}
