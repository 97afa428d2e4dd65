//! Where workers connect: the cluster's authority, the controller's own certificate, and its port.

use crate::config::ControllerConfig;
use crate::disk::DataFolder;
use actix::Arbiter;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use thiserror::Error;
use tidegate_transport::config::Config;
use tidegate_transport::endpoint::Endpoint;
use tidegate_transport::error::{BindError, TlsError};
use tidegate_transport::tls::{ClusterCa, Identity, Role};
use tokio::sync::oneshot;

/// How long a controller's certificate is valid; a start in its second half makes a new one.
const VALID: Duration = Duration::from_secs(365 * 24 * 3600);

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
    /// The thread that should bind ended.
    #[error("the network thread ended before it had bound its port")]
    Thread,
}

pub(crate) struct Network {
    pub(crate) endpoint: Endpoint,
    pub(crate) ca: Arc<ClusterCa>,
    /// The file that tells workers where controllers are.
    pub(crate) controllers: PathBuf,
}

pub(crate) async fn open(
    folder: &DataFolder,
    config: &ControllerConfig,
    thread: &Arbiter,
) -> Result<Network, NetworkError> {
    let ca = Arc::new(authority(&folder.tls(), &config.cluster)?);
    let identity = identity(&folder.tls(), &ca)?;
    let controllers = folder.nodes().join("controllers");
    let address = SocketAddr::new(config.listen.ip(), port(config.listen, &controllers));
    let endpoint = match bind(address, &identity, &ca, thread).await {
        // The port of the last life may be taken by now; workers read the file again before they connect.
        Err(NetworkError::Bind(_)) if config.listen.port() == 0 && address.port() != 0 => {
            bind(config.listen, &identity, &ca, thread).await?
        }
        bound => bound?,
    };
    let bound = endpoint.local_addr().map_err(|source| file("read the address of", &controllers, source))?;
    write_address(&controllers, bound)?;
    Ok(Network { endpoint, ca, controllers })
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
fn identity(folder: &Path, ca: &ClusterCa) -> Result<Identity, NetworkError> {
    let path = folder.join("controller.pem");
    if path.exists() {
        let kept = Identity::load(&path)?;
        if kept.not_after() > SystemTime::now() + VALID / 2 {
            return Ok(kept);
        }
    }
    let identity = ca.issue(Role::Controller, "c1", VALID)?;
    identity.save(&path)?;
    Ok(identity)
}

/// The port asked for; for 0, the one of the last life.
fn port(listen: SocketAddr, controllers: &Path) -> u16 {
    if listen.port() != 0 {
        return listen.port();
    }
    let known = std::fs::read_to_string(controllers).ok();
    let address = known.and_then(|text| text.lines().next()?.parse::<SocketAddr>().ok());
    address.map_or(0, |address| address.port())
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
        let config =
            Config { accept: vec![Role::Worker], build: crate::BUILD.to_owned(), ..Config::default() };
        // Whoever asked waits for it.
        drop(done.send(Endpoint::bind(address, &identity, &ca, config)));
    });
    Ok(bound.await.map_err(|_| NetworkError::Thread)??)
}

fn file(action: &'static str, path: &Path, source: io::Error) -> NetworkError {
    NetworkError::File { action, path: path.to_owned(), source }
}

/// Written aside and renamed: a worker that reads it just now sees the old or the new one.
fn write_address(path: &Path, address: SocketAddr) -> Result<(), NetworkError> {
    let aside = path.with_extension("new");
    std::fs::write(&aside, format!("{address}\n")).map_err(|source| file("write", &aside, source))?;
    std::fs::rename(&aside, path).map_err(|source| file("rename to", path, source))
}
