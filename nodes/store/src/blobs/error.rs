//! What can go wrong with a store of blobs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::Digest;

/// Why a store did not do what it was asked.
///
/// It can be cloned, because one failed commit is told to everyone who waited for it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The file system is full, or has less free space than the store must leave.
    #[error(
        "no space left in {}: {free} bytes are free and {keep_free} must stay free; \
         free some space on that file system, or move the folder to a larger one",
        folder.display()
    )]
    DiskFull {
        /// The folder that could not grow.
        folder: PathBuf,
        /// Bytes free on its file system when this was noticed.
        free: u64,
        /// Bytes that the store's options reserve for others.
        keep_free: u64,
    },
    /// Stored bytes no longer have the digest they are stored under; they are not served.
    #[error(
        "blob {digest} is damaged in {}: its content does not have this digest; \
         check the disk, then remove the blob and store it again",
        place.display()
    )]
    Damaged {
        /// The blob's name.
        digest: Digest,
        /// The file that holds it.
        place: PathBuf,
    },
    /// The bytes received are not those announced; nothing was kept.
    #[error("the bytes received have digest {actual}, not {expected}; nothing was kept, send them again")]
    Mismatch {
        /// The digest that was announced.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// More bytes came than the caller allows; nothing was kept.
    #[error("the blob is larger than the limit of {limit} bytes; nothing was kept")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The sender's bytes could not be read to their end; nothing was kept.
    #[error("the blob's bytes could not be read to their end: {0}; nothing was kept")]
    Source(Arc<io::Error>),
    /// Another process, or another handle of this one, has the folder open.
    #[error("{} is in use by another process; stop it, or choose another folder", folder.display())]
    InUse {
        /// The folder asked for.
        folder: PathBuf,
    },
    /// An earlier write failed in a way that leaves unknown what is on disk.
    #[error(
        "the store in {} stopped taking writes after a failed one ({cause}); \
         check the disk and the kernel's log, then restart",
        folder.display()
    )]
    Stopped {
        /// The store's folder.
        folder: PathBuf,
        /// The failure that stopped it.
        cause: String,
    },
    /// The folder was written by a release newer than this one.
    #[error("{} has format {found}; this release knows formats up to {known}: use a newer release", path.display())]
    Format {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The operating system refused something.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// The database file refused something.
    #[error("the database {} failed: {source}", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// SQLite's answer.
        source: Arc<rusqlite::Error>,
    },
}

impl StoreError {
    /// An error of the operating system while `doing` something to `path`.
    pub(crate) fn io(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Self::disk_full(path.parent().unwrap_or(path));
        }
        Self::Io { doing, path: path.to_owned(), source: Arc::new(source) }
    }

    /// An error of the database in `path`.
    pub(crate) fn database(path: &Path, source: rusqlite::Error) -> Self {
        let folder = path.parent().unwrap_or(path);
        let full = match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => true,
            // A write that meets a quota, or a full disk while a file grows, is a mere I/O error to SQLite.
            Some(ErrorCode::SystemIoFailure) => free_bytes(folder).is_ok_and(|free| free < 64 << 10),
            _ => false,
        };
        if full {
            return Self::disk_full(folder);
        }
        Self::Database { path: path.to_owned(), source: Arc::new(source) }
    }

    fn disk_full(folder: &Path) -> Self {
        Self::DiskFull { folder: folder.to_owned(), free: free_bytes(folder).unwrap_or(0), keep_free: 0 }
    }

    /// Whether what is on disk is known after this error of a write: if so, later writes may be tried.
    pub(crate) fn leaves_disk_known(&self) -> bool {
        match self {
            Self::Database { source, .. } => {
                matches!(
                    source.sqlite_error_code(),
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
                )
            }
            Self::Io { .. } => false,
            _ => true,
        }
    }
}

/// Bytes that this process may still use on the file system of `folder`.
pub(crate) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses when less than `keep_free` bytes would be left in `folder` after `more` bytes.
pub(crate) fn check_room(folder: &Path, keep_free: u64, more: u64) -> Result<(), StoreError> {
    let free = free_bytes(folder).map_err(|e| StoreError::io("ask for the free space of", folder, e))?;
    if free < keep_free.saturating_add(more) {
        return Err(StoreError::DiskFull { folder: folder.to_owned(), free, keep_free });
    }
    Ok(())
}
