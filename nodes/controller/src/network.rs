//! Where workers and other controllers connect: the cluster's authority, the controller's own certificate, and its port.

use crate::bundle::{VALID, certificate_name};
use crate::config::ControllerConfig;
use crate::disk::DataFolder;
use crate::member::{self, Membership};
use actix::Arbiter;
use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use thiserror::Error;
use tidegate_transport::config::Config;
use tidegate_transport::endpoint::Endpoint;
use tidegate_transport::error::{BindError, TlsError};
use tidegate_transport::tls::{ClusterCa, Identity, Role};
use tokio::sync::oneshot;

/// Why workers could not connect.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// Certificates.
    #[error("the cluster's certificates: {0}")]
    Tls(#[from] TlsError),
    /// The port.
    #[error("workers cannot connect: {0}")]
    Bind(#[from] BindError),
    /// A file that says where the controller is.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With this.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The folder's own word of whose it is.
    #[error(transparent)]
    Membership(#[from] member::MembershipError),
    /// The thread that should bind ended.
    #[error("the network thread ended before it had bound its port")]
    Thread,
}

pub(crate) struct Network {
    pub(crate) endpoint: Endpoint,
    pub(crate) ca: Arc<ClusterCa>,
    /// The file that tells the workers of this machine where controllers are.
    pub(crate) controllers: ControllersFile,
    /// Where this controller is bound.
    pub(crate) address: SocketAddr,
}

pub(crate) async fn open(
    folder: &DataFolder,
    config: &ControllerConfig,
    member: &Membership,
    thread: &Arbiter,
) -> Result<Network, NetworkError> {
    let ca = Arc::new(authority(&folder.tls(), &member.cluster)?);
    let identity = identity(&folder.tls(), &ca, member.id)?;
    let controllers = ControllersFile::of(&config.nodes_folder(folder), member.id);
    let seeds = member::read_peers(folder.path())?;
    let known = seeds.iter().find(|(id, _)| *id == member.id).and_then(|(_, at)| at.parse().ok());
    let address = SocketAddr::new(config.listen.ip(), port(config.listen, known));
    let endpoint = match bind(address, &identity, &ca, thread).await {
        // The port of the last life may be taken by now; workers read the file again before they connect.
        Err(NetworkError::Bind(_)) if config.listen.port() == 0 && address.port() != 0 => {
            bind(config.listen, &identity, &ca, thread).await?
        }
        bound => bound?,
    };
    let path = &controllers.path;
    let address = endpoint.local_addr().map_err(|source| file("read the address of", path, source))?;
    Ok(Network { endpoint, ca, controllers, address })
}

/// The file that tells the workers of this machine where controllers are; controllers of one machine share it.
#[derive(Clone, Debug)]
pub(crate) struct ControllersFile {
    path: PathBuf,
    aside: PathBuf,
}

impl ControllersFile {
    fn of(nodes: &Path, id: u64) -> ControllersFile {
        ControllersFile { path: nodes.join("controllers"), aside: nodes.join(format!("controllers.c{id}")) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Written aside and renamed: a worker that reads it just now sees the old or the new one.
    pub(crate) fn write(&self, addresses: &[(u64, String)]) -> Result<(), NetworkError> {
        let text: String = addresses.iter().map(|(_, address)| format!("{address}\n")).collect();
        if std::fs::read_to_string(&self.path).is_ok_and(|known| known == text) {
            return Ok(());
        }
        // Before the first node there may be no folder of nodes; what is shared with other controllers neither.
        if let Some(nodes) = self.path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(nodes);
            made.map_err(|source| file("make", nodes, source))?;
        }
        std::fs::write(&self.aside, text).map_err(|source| file("write", &self.aside, source))?;
        std::fs::rename(&self.aside, &self.path).map_err(|source| file("rename to", &self.path, source))
    }
}

fn authority(folder: &Path, cluster: &str) -> Result<ClusterCa, NetworkError> {
    let is_empty = std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty {
        return Ok(ClusterCa::load(folder)?);
    }
    let ca = ClusterCa::create(cluster)?;
    ca.save(folder)?;
    Ok(ca)
}

/// The same one in each life while it is valid for long: a worker whose controller was killed learns at once
/// that its connection is gone, because both lives derive the same reset tokens from it.
fn identity(folder: &Path, ca: &ClusterCa, id: u64) -> Result<Identity, NetworkError> {
    let path = folder.join("controller.pem");
    if path.exists() {
        let kept = Identity::load(&path)?;
        if kept.not_after() > SystemTime::now() + VALID / 2 {
            return Ok(kept);
        }
    }
    let identity = ca.issue(Role::Controller, &certificate_name(id), VALID)?;
    identity.save(&path)?;
    Ok(identity)
}

/// The port asked for; for 0, the one of the last life.
fn port(listen: SocketAddr, known: Option<SocketAddr>) -> u16 {
    match listen.port() {
        0 => known.map_or(0, |address| address.port()),
        port => port,
    }
}

async fn bind(
    address: SocketAddr,
    identity: &Identity,
    ca: &ClusterCa,
    thread: &Arbiter,
) -> Result<Endpoint, NetworkError> {
    let (done, bound) = oneshot::channel();
    let (identity, ca) = (identity.clone(), ca.cert().clone());
    thread.spawn(async move {
        let accept = vec![Role::Worker, Role::Controller];
        // Every request that another controller passes on holds a stream while it lasts, as those who follow logs do.
        let max_bulk_streams = 2048;
        let build = crate::BUILD.to_owned();
        let config = Config { accept, build, max_bulk_streams, ..Config::default() };
        // Whoever asked waits for it.
        drop(done.send(Endpoint::bind(address, &identity, &ca, config)));
    });
    Ok(bound.await.map_err(|_| NetworkError::Thread)??)
}

fn file(action: &'static str, path: &Path, source: io::Error) -> NetworkError {
    NetworkError::File { action, path: path.to_owned(), source }
}
