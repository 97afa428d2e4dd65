//! What a controller needs to be a member of a cluster: its number, its certificate, the cluster's authority, and
//! where the others are. Made when a cluster is founded or a controller invited; installed into an empty folder.

use crate::bundle_file::BundleFile;
use crate::member::{self, Membership, MembershipError};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tidegate_scheduler::consensus::FIRST_GROUP;
use tidegate_transport::error::TlsError;
use tidegate_transport::tls::{ClusterCa, Identity, Role};

/// How long a controller's certificate is valid; a start in its second half makes a new one.
pub(crate) const VALID: Duration = Duration::from_secs(365 * 24 * 3600);
/// The largest bundle that is read.
const MAX_BYTES: u64 = 1 << 20;

/// How a controller is called in its certificate.
pub(crate) fn certificate_name(id: u64) -> String {
    format!("c{id}")
}

/// Why a bundle cannot be made, read or installed.
#[derive(Debug, Error)]
pub enum BundleError {
    /// Certificates.
    #[error("the cluster's certificates: {0}")]
    Tls(#[from] TlsError),
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With this.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is a file of that name.
    #[error("{} is there already: is it still needed? Move it away, or give another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is not a bundle.
    #[error("{} is not a join bundle: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The folder belongs to a member.
    #[error(
        "{} belongs to controller c{} of cluster {} already; a bundle goes into an empty folder",
        path.display(), of.id, of.cluster
    )]
    Taken {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        of: Membership,
    },
    /// The folder's own word cannot be read.
    #[error(transparent)]
    Membership(#[from] MembershipError),
}

/// What makes an empty data folder one of a member. Secret: it holds the keys of this controller and of the cluster.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinBundle {
    /// The cluster's name.
    pub cluster: String,
    /// Its consensus group.
    pub group: u64,
    /// The controller's number.
    pub id: u64,
    /// Those that voted when the cluster was founded.
    pub founders: Vec<u64>,
    /// Where controllers are: numbers and `ip:port`.
    pub peers: Vec<(u64, String)>,
    /// The authority's certificate, in PEM.
    pub ca: String,
    /// The authority's key, in PEM.
    pub ca_key: String,
    /// The controller's certificate and key, in PEM.
    pub identity: String,
}

impl std::fmt::Debug for JoinBundle {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "JoinBundle(c{} of {}, with {:?})", self.id, self.cluster, self.peers)
    }
}

/// Makes a new cluster: a bundle for each of its founders, 1 to n, at these `ip:port`.
pub fn found(cluster: &str, addresses: &[String]) -> Result<Vec<JoinBundle>, BundleError> {
    let ca = ClusterCa::create(cluster)?;
    let peers: Vec<(u64, String)> = (1..).zip(addresses.iter().cloned()).collect();
    let founders: Vec<u64> = peers.iter().map(|(id, _)| *id).collect();
    founders.iter().map(|id| JoinBundle::make(&ca, *id, founders.clone(), peers.clone())).collect()
}

impl JoinBundle {
    /// A bundle for this number, with a fresh certificate.
    pub(crate) fn make(
        ca: &ClusterCa,
        id: u64,
        founders: Vec<u64>,
        peers: Vec<(u64, String)>,
    ) -> Result<JoinBundle, BundleError> {
        let identity: Identity = ca.issue(Role::Controller, &certificate_name(id), VALID)?;
        Ok(JoinBundle {
            cluster: ca.cert().cluster().to_owned(),
            group: FIRST_GROUP,
            id,
            founders,
            peers,
            ca: ca.cert().pem().to_owned(),
            ca_key: ca.key_pem(),
            identity: identity.pem().to_owned(),
        })
    }

    /// Reads what [`JoinBundle::save`] wrote.
    pub fn load(path: &Path) -> Result<JoinBundle, BundleError> {
        let unreadable = |reason: String| BundleError::Unreadable { path: path.to_owned(), reason };
        let length = fs::metadata(path).map_err(file("read", path))?.len();
        if length > MAX_BYTES {
            return Err(unreadable(format!("it has {length} bytes")));
        }
        let text = fs::read_to_string(path).map_err(file("read", path))?;
        // The message alone: the error itself would quote the line, which may be a key.
        toml::from_str(&text).map_err(|error| unreadable(error.message().to_owned()))
    }

    /// Writes it as a file that its owner alone may read; one that is there is left as it is, and that is an error.
    pub fn save(&self, path: &Path) -> Result<(), BundleError> {
        BundleFile::make(path)?.write(self)
    }

    /// Makes `data` the folder of this controller. The file that says so comes last: what a crash leaves before is
    /// overwritten by the next try.
    pub fn install(&self, data: &Path) -> Result<(), BundleError> {
        if let Some(of) = member::read(data)? {
            return Err(BundleError::Taken { path: data.to_owned(), of });
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(file("make", data))?;
        // Opening it as a data folder settles its format and its parts, and keeps others out meanwhile.
        let folder = crate::disk::DataFolder::open(data)
            .map_err(|error| BundleError::Unreadable { path: data.to_owned(), reason: error.to_string() })?;
        ClusterCa::from_pem(&self.ca, &self.ca_key)?.save(&folder.tls())?;
        Identity::from_pem(&self.identity)?.save(&folder.tls().join("controller.pem"))?;
        member::write_peers(folder.path(), &self.peers)?;
        let of = Membership {
            id: self.id,
            founders: self.founders.clone(),
            cluster: self.cluster.clone(),
            begun: false,
        };
        member::write(folder.path(), &of)?;
        Ok(())
    }
}

pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BundleError {
    let path = path.to_owned();
    move |source| BundleError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_makes_an_empty_folder_a_members_and_no_other() {
        let temp = tempfile::tempdir().unwrap();
        let bundles = found("sea", &["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()]).unwrap();
        assert_eq!(bundles[1].founders, [1, 2]);
        let path = temp.path().join("c2.join");
        bundles[1].save(&path).unwrap();
        let again = JoinBundle::load(&path).unwrap();
        assert!(again == bundles[1]);
        let data = temp.path().join("c2");
        again.install(&data).unwrap();
        let of = member::read(&data).unwrap().unwrap();
        assert_eq!((of.id, of.founders.as_slice(), of.cluster.as_str()), (2, [1, 2].as_slice(), "sea"));
        assert_eq!(member::read_peers(&data).unwrap(), bundles[1].peers);
        assert!(matches!(bundles[0].install(&data), Err(BundleError::Taken { of, .. }) if of.id == 2));
        assert!(matches!(bundles[0].save(&path), Err(BundleError::Exists { .. })), "it is not overwritten");
        let new = temp.path().join("c9.join");
        let taken = BundleFile::make(&new).unwrap();
        assert!(new.exists() && BundleFile::make(&new).is_err());
        drop(taken);
        assert!(!new.exists(), "what was taken in vain is given back");
    }
}
