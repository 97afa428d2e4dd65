//! Writing a tree to disk.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, mkdirat, openat, symlinkat};
use rustix::io::Errno;

use crate::beneath::{open_folder, open_folder_at, open_root, split};
use crate::tree::{Tree, TreeKind};
use crate::{BlobStore, Digest, DigestWriter, StoreError};

/// Where contents come from.
pub trait BlobSource {
    /// The bytes of a blob, or nothing when it is not there. They need not be checked: whoever writes them
    /// to disk does.
    ///
    /// # Errors
    /// When the blob cannot be read.
    fn read_blob(&self, digest: &Digest) -> Result<Option<Box<dyn Read + '_>>, StoreError>;

    /// A file on this machine with exactly this content, that may be hard linked.
    fn file_of(&self, _digest: &Digest) -> Option<PathBuf> {
        None
    }
}

impl BlobSource for BlobStore {
    fn read_blob(&self, digest: &Digest) -> Result<Option<Box<dyn Read + '_>>, StoreError> {
        self.open_unchecked(digest)
    }

    fn file_of(&self, digest: &Digest) -> Option<PathBuf> {
        self.file_of(digest)
    }
}

/// What the written files are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMode {
    /// Files of their own, writable by their owner: for code, whose run may change it.
    Copy,
    /// Files of their own that nobody may write: for inputs.
    ReadOnly,
    /// As `ReadOnly`, but large files share their disk space with the store where the file system allows.
    /// Their content is not read, hence not checked, and root could change it in the store: for contents
    /// too large to copy.
    HardLink,
}

/// Why a tree was not written, or not wholly: what was written before is left for the caller to remove.
#[derive(Debug, thiserror::Error)]
pub enum MaterializeError {
    /// Something is in the way.
    #[error("{} exists already; write to an empty folder", .0.display())]
    Exists(PathBuf),
    /// A content is not in the source.
    #[error("the content of {} is missing: blob {digest} is not stored", path.display())]
    Missing {
        /// The file that needs it.
        path: PathBuf,
        /// The content.
        digest: Digest,
    },
    /// A content is not what its digest or its size says.
    #[error("the content of {} is damaged: what came for blob {digest} is something else", path.display())]
    Damaged {
        /// The file that needs it.
        path: PathBuf,
        /// The content.
        digest: Digest,
    },
    /// A failure to read the source or to write the file; a full disk, for one.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Bytes copied at a time.
const CHUNK: usize = 128 << 10;

/// Writes `tree` into the folder `dest`, which must exist, taking contents from `source`.
///
/// Nothing outside `dest` is touched, whatever is in `dest` and whoever changes it meanwhile: links are
/// made, never followed. Folders that are there already are used; anything else in the way is an error.
///
/// # Errors
/// [`MaterializeError`]; see there for what is left behind.
pub fn materialize(
    tree: &Tree,
    dest: &Path,
    source: &dyn BlobSource,
    mode: FileMode,
) -> Result<(), MaterializeError> {
    let root = open_root(dest).map_err(|e| StoreError::io("open the folder", dest, e))?;
    let mut writer = TreeWriter { dest, root, source, mode, open: None };
    for entry in tree.entries() {
        writer.write(&entry.path, &entry.kind)?;
    }
    Ok(())
}

struct TreeWriter<'a> {
    dest: &'a Path,
    root: OwnedFd,
    source: &'a dyn BlobSource,
    mode: FileMode,
    /// The folder of the last entry: the next one is mostly in it too.
    open: Option<(String, OwnedFd)>,
}

impl TreeWriter<'_> {
    fn write(&mut self, path: &str, kind: &TreeKind) -> Result<(), MaterializeError> {
        let (parent, name) = split(path);
        if self.open.as_ref().is_none_or(|(open, _)| open != parent) {
            let folder =
                open_folder_at(&self.root, parent).map_err(|e| self.io("open the folder of", path, e))?;
            self.open = Some((parent.to_owned(), folder));
        }
        let (_, folder) = self.open.take().expect("opened above");
        let written = match kind {
            TreeKind::Dir => self.folder(&folder, path, name),
            TreeKind::Symlink { target } => {
                symlinkat(target, &folder, name).map_err(|e| self.create_failed("create the link", path, e))
            }
            TreeKind::File { digest, size, executable } => {
                let file = Content { path, digest, size: *size, executable: *executable };
                self.file(&folder, name, &file)
            }
        };
        self.open = Some((parent.to_owned(), folder));
        written
    }

    fn folder(&self, parent: &OwnedFd, path: &str, name: &str) -> Result<(), MaterializeError> {
        match mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => Ok(()),
            // A folder is as good as a new one, a link to a folder is not.
            Err(Errno::EXIST) if open_folder(parent, name).is_ok() => Ok(()),
            Err(e) => Err(self.create_failed("create the folder", path, e)),
        }
    }

    fn file(&self, folder: &OwnedFd, name: &str, file: &Content<'_>) -> Result<(), MaterializeError> {
        // A link shares its mode with the store's file, which is not executable.
        if self.mode == FileMode::HardLink && !file.executable && self.link(folder, name, file)? {
            return Ok(());
        }
        let mode = match (self.mode, file.executable) {
            (FileMode::Copy, false) => 0o666,
            (FileMode::Copy, true) => 0o777,
            (FileMode::ReadOnly | FileMode::HardLink, false) => 0o444,
            (FileMode::ReadOnly | FileMode::HardLink, true) => 0o555,
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let created = openat(folder, name, flags, Mode::from_raw_mode(mode))
            .map_err(|e| self.create_failed("create", file.path, e))?;
        self.copy(file, File::from(created))
    }

    /// Links the store's file if there is one of the right size and the file system can; else says no.
    fn link(&self, folder: &OwnedFd, name: &str, file: &Content<'_>) -> Result<bool, MaterializeError> {
        let Some(stored) = self.source.file_of(file.digest) else {
            return Ok(false);
        };
        if std::fs::metadata(&stored).map(|stored| stored.len()).ok() != Some(file.size) {
            return Ok(false);
        }
        match linkat(CWD, &stored, folder.as_fd(), name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Err(self.create_failed("link", file.path, Errno::EXIST)),
            // Another file system, too many links, or a system that forbids it: a copy does.
            Err(error) => {
                tracing::debug!(%error, stored = %stored.display(), "copied instead of linked");
                Ok(false)
            }
        }
    }

    fn copy(&self, file: &Content<'_>, mut to: File) -> Result<(), MaterializeError> {
        let path = || self.dest.join(file.path);
        let Some(mut content) = self.source.read_blob(file.digest)? else {
            return Err(MaterializeError::Missing { path: path(), digest: *file.digest });
        };
        let damaged = || MaterializeError::Damaged { path: path(), digest: *file.digest };
        let mut digest = DigestWriter::new();
        let mut left = file.size;
        let mut buffer = vec![0; CHUNK.min(usize::try_from(file.size).unwrap_or(CHUNK) + 1)];
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(damaged()),
                Err(e) => return Err(self.io("read the content of", file.path, e)),
            };
            // A source that sends more than was announced does not fill the disk.
            left = left.checked_sub(count as u64).ok_or_else(damaged)?;
            digest.update(&buffer[..count]);
            to.write_all(&buffer[..count]).map_err(|e| self.io("write", file.path, e))?;
        }
        if left > 0 || digest.finish() != *file.digest {
            return Err(damaged());
        }
        Ok(())
    }

    fn create_failed(&self, doing: &'static str, path: &str, error: Errno) -> MaterializeError {
        match error {
            Errno::EXIST => MaterializeError::Exists(self.dest.join(path)),
            error => self.io(doing, path, error),
        }
    }

    fn io(&self, doing: &'static str, path: &str, error: impl Into<io::Error>) -> MaterializeError {
        StoreError::io(doing, &self.dest.join(path), error).into()
    }
}

/// A file of the tree.
struct Content<'a> {
    path: &'a str,
    digest: &'a Digest,
    size: u64,
    executable: bool,
}
