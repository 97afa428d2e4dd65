//! The controller's data folder: whose it is, which format it has, and where its parts lie.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::pidfile::{self, LockError};

/// What this build reads and writes: how the folder is laid out, and how the log, snapshots and history are written.
const FORMAT: u32 = 2;
const FORMAT_FILE: &str = "format";
const LOCK_FILE: &str = "lock";
/// The files at the top: ours, the server's token, and what a file system puts at its own root.
const FILES: [&str; 10] = [
    FORMAT_FILE,
    LOCK_FILE,
    "format.new",
    "token",
    "lost+found",
    "member.toml",
    "member.new",
    "peers.toml",
    "peers.new",
    "controller.toml",
];
const PARTS: [&str; 5] = ["log", "snapshots", "store", "tls", "nodes"];
/// Why a data folder cannot be used.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Another process has it open.
    #[error(
        "data folder {} is in use by {}; stop that one first, or give this one a folder of its own",
        path.display(), match pid { Some(pid) => format!("process {pid}"), None => "another process".into() }
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who holds it, when it has said so.
        pid: Option<u32>,
    },
    /// A newer release wrote it.
    #[error(
        "data folder {} has format {found}, and this release reads formats up to {supported}; run the release \
         that wrote it, or a newer one", path.display()
    )]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// What its `format` file says.
        found: u32,
        /// The newest format known here.
        supported: u32,
    },
    /// An older build wrote it.
    #[error(
        "data folder {} has format {found}, and this release reads formats from {oldest} on; choose an empty folder and \
         submit again what had not ended, or run the build that wrote it; nothing in it was changed", path.display()
    )]
    OlderFormat {
        /// The folder.
        path: PathBuf,
        /// What its `format` file says.
        found: u32,
        /// The oldest format known here.
        oldest: u32,
    },
    /// The `format` file says nothing that can be read.
    #[error(
        "{} does not name a format (it should read like \"tidegate 2\"); restore the data folder from a backup, \
         or choose an empty folder", path.display()
    )]
    BadFormat {
        /// The `format` file.
        path: PathBuf,
    },
    /// It holds something else.
    #[error(
        "{} is not a data folder: it has no `format` file, and it holds {example:?}; choose an empty or a new \
         folder", path.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// One of the names found in it.
        example: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Makes a folder, readable by its owner alone, and keeps others of this program out of it for as long as the file that
/// is returned lives: for one that several data folders lie in.
///
/// # Errors
/// When another process has it, or the operating system refuses.
pub fn lock_folder(path: &Path) -> Result<File, FolderError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at("create the folder", path))?;
    let lock_path = path.join(LOCK_FILE);
    pidfile::lock(&lock_path).map_err(|error| match error {
        LockError::Held(pid) => FolderError::InUse { path: path.into(), pid },
        LockError::Io(source) => FolderError::Io { action: "lock", path: lock_path.clone(), source },
    })
}

/// An open data folder; nobody else can open it while this value or a log of it lives.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    lock: Arc<File>,
}

impl DataFolder {
    /// Opens the folder, or makes it (with its parents, readable by its owner alone).
    ///
    /// # Errors
    /// When another process has it, a newer release or one that is too old wrote it, it holds something else, or the operating
    /// system refuses. A folder that is refused is left as it was.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FolderError> {
        let path = path.as_ref();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at("create the folder", path))?;
        let path = path.canonicalize().map_err(at("resolve", path))?;
        refuse_foreign(&path)?;
        let lock = lock_folder(&path)?;
        settle_format(&path)?;
        keep_private(&path)?;
        for part in PARTS {
            let part = path.join(part);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&part)
                .map_err(at("create the folder", &part))?;
        }
        sync_folder(&path).map_err(at("sync", &path))?;
        Ok(Self { path, lock: Arc::new(lock) })
    }

    /// The folder itself, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A share in the lock.
    pub(super) fn lock(&self) -> Arc<File> {
        self.lock.clone()
    }

    /// Where the durable log is.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Where the snapshots of the state are.
    pub fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// Where blobs and the history of runs are.
    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Where keys and certificates are.
    pub fn tls(&self) -> PathBuf {
        self.path.join("tls")
    }

    /// Where the nodes of a local pool keep their files.
    pub fn nodes(&self) -> PathBuf {
        self.path.join("nodes")
    }
}

/// Makes names that were created or removed in `path` durable.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// Other files may lie beside ours; what has a name of ours and is not must stay as it is.
fn refuse_foreign(path: &Path) -> Result<(), FolderError> {
    if path.join(FORMAT_FILE).exists() {
        return Ok(());
    }
    match PARTS.into_iter().find(|part| path.join(part).exists()) {
        Some(part) => Err(FolderError::NotOurs { path: path.into(), example: part.to_owned() }),
        None => Ok(()),
    }
}

fn settle_format(path: &Path) -> Result<(), FolderError> {
    let file = path.join(FORMAT_FILE);
    match fs::read_to_string(&file) {
        Ok(text) => {
            let found = text.trim().strip_prefix("tidegate ").and_then(|number| number.parse().ok());
            match found {
                Some(found) if found > FORMAT => {
                    Err(FolderError::NewerFormat { path: path.into(), found, supported: FORMAT })
                }
                Some(found) if found < FORMAT => {
                    Err(FolderError::OlderFormat { path: path.into(), found, oldest: FORMAT })
                }
                Some(_) => Ok(()),
                None => Err(FolderError::BadFormat { path: file }),
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            write_format(path).map_err(at("write", &file))
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(FolderError::BadFormat { path: file })
        }
        Err(source) => Err(FolderError::Io { action: "read", path: file, source }),
    }
}

fn write_format(path: &Path) -> std::io::Result<()> {
    let temporary = path.join("format.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(format!("tidegate {FORMAT}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path.join(FORMAT_FILE))?;
    sync_folder(path)
}

/// The folder holds keys and people's job files: nobody but its owner looks into it. One that holds other
/// things too is left as it is, since others may have business there; our parts in it are closed each.
fn keep_private(path: &Path) -> Result<(), FolderError> {
    for entry in fs::read_dir(path).map_err(at("list", path))? {
        let name = entry.map_err(at("list", path))?.file_name();
        if !name.to_str().is_some_and(|name| PARTS.contains(&name) || FILES.contains(&name)) {
            return Ok(());
        }
    }
    let mode = fs::metadata(path).map_err(at("look at", path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(folder = %path.display(), "the data folder was open to others (mode {mode:o}): closed it");
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(at("close to others", path))?;
    }
    Ok(())
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FolderError {
    let path = path.to_path_buf();
    move |source| FolderError::Io { action, path, source }
}
