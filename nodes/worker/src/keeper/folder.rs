//! The keeper's files in the node's folder, and the socket's address however deep the folder lies.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

/// The longest path that fits a unix socket's address, with the NUL after it.
const SOCKET_PATH_MAX_BYTES: usize = 107;

/// The node's folder, as the keeper uses it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Open as long as a short name for the folder may be needed.
    directory: File,
}

impl Folder {
    /// Opens the folder, made with mode 0700 if absent.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let path = path.canonicalize()?;
        let directory = File::open(&path)?;
        Ok(Self { path, directory })
    }

    /// The lock that makes this keeper the only one of the folder; `None` if another one holds it.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path.join("keeper.lock"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Where the keeper listens.
    pub(super) fn socket(&self) -> PathBuf {
        let socket = self.path.join("keeper.sock");
        if socket.as_os_str().len() <= SOCKET_PATH_MAX_BYTES {
            return socket;
        }
        PathBuf::from(format!("/proc/self/fd/{}/keeper.sock", self.directory.as_raw_fd()))
    }

    /// The journal.
    pub(super) fn journal(&self) -> PathBuf {
        self.path.join("keeper.journal")
    }

    /// What the keeper says, for people.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("keeper.log")
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A name for the folder that no other folder of the machine has, and that a later keeper finds again.
    pub(super) fn id(&self) -> io::Result<String> {
        let metadata = self.directory.metadata()?;
        Ok(format!("{:x}-{:x}", metadata.dev(), metadata.ino()))
    }
}
