//! How much room the disk has.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use rustix::fs::statvfs;

/// With less than this free, nothing that matters can be written.
const FULL_BYTES: u64 = 1 << 20;

/// The room on the file system of a folder, when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    folder: PathBuf,
    free_bytes: u64,
}

impl Room {
    /// Looks.
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let stat = statvfs(folder)?;
        let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
        // A file system without inodes has no room either; some have no such count, and say 0 of 0.
        let no_inodes = stat.f_files > 0 && stat.f_favail == 0;
        Ok(Self { folder: folder.to_owned(), free_bytes: if no_inodes { 0 } else { free_bytes } })
    }

    /// Nothing that matters can be written.
    pub(crate) fn is_gone(&self) -> bool {
        self.free_bytes < FULL_BYTES
    }

    /// Less than `bytes` are free.
    pub(crate) fn is_less_than(&self, bytes: u64) -> bool {
        self.free_bytes < bytes
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, free_bytes } = self;
        write!(f, "the disk of {} has {} MiB free", folder.display(), free_bytes >> 20)
    }
}

/// Whether an error says that the disk is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
