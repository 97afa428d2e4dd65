//! Filling a local node's folder with what its worker reads.

use super::ServerConfig;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_controller::{NodeSetup, SetUpNode};
use tidegate_worker::WorkerConfig;

/// Where environments are built, for all local nodes together.
const ENVIRONMENTS: &str = "environments";

/// Writes `worker.toml` and what that names; environments are built in `shared`.
pub(crate) fn set_up_node(config: Arc<ServerConfig>, shared: PathBuf) -> SetUpNode {
    Arc::new(move |setup: NodeSetup<'_>| write(&config, &shared, setup))
}

fn write(config: &ServerConfig, shared: &Path, setup: NodeSetup<'_>) -> Result<(), String> {
    let size = &setup.order.pool.size;
    let mut worker = WorkerConfig::new(setup.order.node.0, setup.cluster, setup.folder, &size.capacity);
    worker.controller_file = setup.controllers.to_owned();
    worker.environments = config.environments.clone();
    worker.environments_folder = Some(shared.join(ENVIRONMENTS));
    worker.pass_environment = config.workers.pass_environment.clone();
    worker.uv = config.workers.uv.clone();
    if let Some(limit) = config.logs.limit_mib {
        worker.log_limit_mib = limit;
    }
    if let Some(seconds) = config.workers.leave_after {
        worker.leave_after = seconds;
    }
    setup.identity.save(&worker.identity).map_err(|error| error.to_string())?;
    setup.ca.save(&worker.ca).map_err(|error| error.to_string())?;
    let text = worker.to_toml().map_err(|error| error.to_string())?;
    let path = setup.folder.join("worker.toml");
    crate::context::write_private(&path, text.as_bytes()).map_err(|error| format!("{error:#}"))
}
