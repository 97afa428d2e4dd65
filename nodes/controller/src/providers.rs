//! Making the provider of a pool, as its settings name it.

use crate::accept::certificate_name;
use crate::config::{ControllerConfig, NodeSetup, SetUpNode};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidegate_provider::local::Prepare;
use tidegate_provider::{LocalConfig, LocalProvider, LocalSettings, Provider};
use tidegate_scheduler::command::PoolSettings;
use tidegate_scheduler::ids::PoolId;
use tidegate_transport::tls::{ClusterCa, Role};

/// How long a node's certificate is valid.
const VALID: Duration = Duration::from_secs(365 * 24 * 3600);

/// What providers are made from.
pub(crate) struct Providers {
    folder: PathBuf,
    program: PathBuf,
    arguments: Vec<OsString>,
    node: NodeKit,
    /// Whether every controller that may lead finds the same nodes in the folder.
    is_shared: bool,
}

/// What a node's folder is filled from.
#[derive(Clone)]
struct NodeKit {
    ca: Arc<ClusterCa>,
    controllers: PathBuf,
    cluster: String,
    set_up: SetUpNode,
}

impl Providers {
    pub(crate) fn new(
        folder: PathBuf,
        ca: Arc<ClusterCa>,
        controllers: PathBuf,
        cluster: &str,
        config: &ControllerConfig,
    ) -> Providers {
        let node =
            NodeKit { ca, controllers, cluster: cluster.to_owned(), set_up: config.set_up_node.clone() };
        let (program, arguments) = config.worker_program.clone();
        Providers { folder, program, arguments, node, is_shared: config.nodes.is_some() }
    }

    /// The pools whose folders an earlier life of this controller left.
    pub(crate) fn left_behind(&self) -> BTreeSet<PoolId> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let number = |name: OsString| name.to_str()?.strip_prefix('p')?.parse().ok().map(PoolId);
        entries.filter_map(|entry| number(entry.file_name())).collect()
    }

    /// The provider of a pool; of one that is gone, to clear away what it left.
    pub(crate) fn make(
        &self,
        id: PoolId,
        settings: Option<&PoolSettings>,
        controllers: usize,
    ) -> Result<Box<dyn Provider>, String> {
        if controllers > 1 && !self.is_shared {
            // The next leader would make them all anew, and their runs would be lost.
            return Err("with several controllers, local nodes need a folder that all of them share: they run on one \
                        machine, and each has the same `nodes = \"FOLDER\"` in its configuration"
                .to_owned());
        }
        if let Some(settings) = settings {
            // The provider reads them again for each node; here they only name its kind.
            LocalSettings::parse(&settings.provider).map_err(|error| error.to_string())?;
        }
        let folder = self.folder.join(id.to_string());
        let mut config = LocalConfig::new(folder, &self.program, self.node.prepare());
        config.arguments = self.arguments.clone();
        let provider = LocalProvider::new(config).map_err(|error| error.to_string())?;
        Ok(Box::new(provider))
    }
}

impl NodeKit {
    fn prepare(&self) -> Prepare {
        let kit = self.clone();
        Box::new(move |order, folder| {
            let name = certificate_name(order.node);
            let identity = kit.ca.issue(Role::Worker, &name, VALID).map_err(|error| error.to_string())?;
            (kit.set_up)(NodeSetup {
                order,
                folder,
                identity,
                ca: kit.ca.cert(),
                controllers: &kit.controllers,
                cluster: &kit.cluster,
            })
        })
    }
}
