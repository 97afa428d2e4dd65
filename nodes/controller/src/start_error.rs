//! Why a controller does not start.

use crate::disk::{FolderError, LogError, SnapshotError};
use crate::member::MembershipError;
use crate::network::NetworkError;
use std::path::PathBuf;
use thiserror::Error;
use tidegate_scheduler::consensus::ConsensusError;
use tidegate_scheduler::state::snapshot::ImageError;
use tidegate_store::{HistoryError, StoreError};

/// Why a controller does not start. Nothing was changed on the disk.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The durable log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The snapshots cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The newest whole snapshot is of another release, or broken inside.
    #[error("the newest snapshot cannot be used: {0}")]
    Image(#[from] ImageError),
    /// The log goes on from a snapshot that is not there.
    #[error(
        "the durable log begins at entry {first}, but the newest whole snapshot ends at {snapshot}: entries \
         between are missing. Restore the data folder from a backup, or start on an empty one"
    )]
    Gap {
        /// Where the log begins.
        first: u64,
        /// Where the snapshot ends.
        snapshot: u64,
    },
    /// The log is gone, and with it what this member has promised.
    #[error(
        "the durable log of controller c{id} is gone, and with it what it has promised to the others: this folder must \
         not be used again; a cluster of one controller is restored from a backup of the whole folder"
    )]
    LogLost {
        /// The controller.
        id: u64,
    },
    /// Consensus refuses what was read back.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Run history cannot be opened.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The folder's own word of whose it is.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The record of its inputs.
    #[error("the record {} cannot be begun: {source}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It failed as soon as it ran.
    #[error("the controller cannot go on: {0}")]
    Failed(String),
    /// Workers could not connect.
    #[error(transparent)]
    Network(#[from] NetworkError),
}
