//! Why a worker cannot do its work.

use std::{io, path::PathBuf};

use tidegate_store::StoreError;
use tidegate_transport::error::{BindError, TlsError};

use crate::keeper::client::KeeperClientError;

/// Why a worker cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The configuration cannot be used.
    #[error("the configuration {}: {what}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// The operating system refused something.
    #[error("the worker cannot {what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// Another worker has the folder, or it cannot be locked.
    #[error("the worker's folder: {0}")]
    Folder(#[from] StoreError),
    /// Its certificate or the authority's.
    #[error("the worker's certificates: {0}")]
    Tls(#[from] TlsError),
    /// No socket to dial from.
    #[error("the worker's socket: {0}")]
    Bind(#[from] BindError),
    /// No keeper.
    #[error(transparent)]
    Keeper(#[from] KeeperClientError),
}

impl WorkerError {
    pub(crate) fn doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}
