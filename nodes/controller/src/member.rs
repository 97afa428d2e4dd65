//! Who a data folder belongs to, and where its controller found the others last: two small files in it.

use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

const FILE: &str = "member.toml";
const PEERS: &str = "peers.toml";

/// Whose a data folder is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The controller's number.
    pub id: u64,
    /// Those that voted when the cluster was founded.
    pub founders: Vec<u64>,
    /// The cluster's name.
    pub cluster: String,
    /// Whether its log was begun: one that is gone since was lost.
    #[serde(default)]
    pub begun: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Peers {
    peers: Vec<(u64, String)>,
}

/// A file that says who a data folder belongs to cannot be read or written.
#[derive(Debug, Error)]
#[error("{}: {reason}", path.display())]
pub struct MembershipError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub reason: String,
}

/// What a data folder says of itself; nothing if it is no member's yet. Does not open it.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read(data: &Path) -> Result<Option<Membership>, MembershipError> {
    read_file(&data.join(FILE))
}

pub(crate) fn write(data: &Path, of: &Membership) -> Result<(), MembershipError> {
    write_file(&data.join(FILE), of)
}

/// Where the others were, when this controller last heard.
pub(crate) fn read_peers(data: &Path) -> Result<Vec<(u64, String)>, MembershipError> {
    Ok(read_file::<Peers>(&data.join(PEERS))?.unwrap_or_default().peers)
}

pub(crate) fn write_peers(data: &Path, peers: &[(u64, String)]) -> Result<(), MembershipError> {
    write_file(&data.join(PEERS), &Peers { peers: peers.to_vec() })
}

fn read_file<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, MembershipError> {
    let failed = |reason: String| MembershipError { path: path.to_owned(), reason };
    match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map(Some).map_err(|error| failed(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Aside, synced and renamed, so that a crash leaves the old one or the new one.
fn write_file<T: Serialize>(path: &Path, content: &T) -> Result<(), MembershipError> {
    let failed = |reason: String| MembershipError { path: path.to_owned(), reason };
    let text = toml::to_string(content).map_err(|error| failed(error.to_string()))?;
    let aside = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|error| failed(error.to_string()))
}
