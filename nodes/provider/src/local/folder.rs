//! A node's folder: what the provider itself keeps in it, and its end.
//!
//! `prepared` says that everything that the worker needs has been written; `pid` says which process its agent is;
//! `worker.log` is what that prints.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A log that is longer is put aside before the worker is started again.
const LOG_MAX_BYTES: u64 = 16 << 20;
/// How much of the log's end an error tells.
const TAIL_BYTES: u64 = 2048;
const TAIL_LINES: usize = 5;

/// The folder of one node.
#[derive(Clone, Debug)]
pub(super) struct NodeFolder {
    path: PathBuf,
}

/// Which process a node's agent is, as written down when it was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PidRecord {
    pub(super) pid: i32,
    /// In the kernel's ticks since it was booted: tells it from a later process with the same id.
    pub(super) started: u64,
    /// The kernel's boot id.
    pub(super) boot: String,
}

impl NodeFolder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Makes it, for nobody but us; to be there already is as good.
    pub(super) fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)
    }

    /// A name for the folder that none other of the machine has: how processes of the node are known. The node's
    /// keeper marks its runs and cgroups by the same.
    pub(super) fn id(&self) -> io::Result<String> {
        let metadata = fs::metadata(&self.path)?;
        Ok(format!("{:x}-{:x}", metadata.dev(), metadata.ino()))
    }

    pub(super) fn is_prepared(&self) -> bool {
        self.path.join("prepared").exists()
    }

    pub(super) fn set_prepared(&self) -> io::Result<()> {
        self.write("prepared", b"")
    }

    /// What the `pid` file says; `None` when there is none, or none that can be read as one.
    pub(super) fn pid_record(&self) -> Option<PidRecord> {
        let text = fs::read_to_string(self.path.join("pid")).ok()?;
        let mut fields = text.split_ascii_whitespace();
        Some(PidRecord {
            pid: fields.next()?.parse().ok()?,
            started: fields.next()?.parse().ok()?,
            boot: fields.next()?.to_owned(),
        })
    }

    pub(super) fn set_pid_record(&self, record: &PidRecord) -> io::Result<()> {
        let text = format!("{} {} {}\n", record.pid, record.started, record.boot);
        self.write("pid", text.as_bytes())
    }

    /// Writes a file whole or not at all.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let new = self.path.join(format!("{name}.new"));
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(content)?;
        fs::rename(&new, self.path.join(name))
    }

    /// The log, to be appended to.
    pub(super) fn open_log(&self) -> io::Result<File> {
        let log = self.log();
        if fs::metadata(&log).is_ok_and(|metadata| metadata.len() > LOG_MAX_BYTES) {
            fs::rename(&log, self.path.join("worker.log.1"))?;
        }
        OpenOptions::new().append(true).create(true).mode(0o600).open(log)
    }

    fn log(&self) -> PathBuf {
        self.path.join("worker.log")
    }

    /// The last lines of the log, in one.
    pub(super) fn log_tail(&self) -> String {
        let read = || {
            let mut file = File::open(self.log())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = match read() {
            Ok(text) => text,
            Err(error) => return format!("(worker.log cannot be read: {error})"),
        };
        let mut lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines.drain(..lines.len().saturating_sub(TAIL_LINES));
        match lines.is_empty() {
            true => "(worker.log is empty)".to_owned(),
            false => lines.join(" | "),
        }
    }

    /// Removes it with all that is in it; not to be there is as good.
    pub(super) fn remove(&self) -> io::Result<()> {
        let removed = match fs::remove_dir_all(&self.path) {
            // A run may have taken our right to write from its own folders.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                open_up(&self.path)?;
                fs::remove_dir_all(&self.path)
            }
            removed => removed,
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// Gives us all rights on every folder in it. Does not follow links.
fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, NodeFolder) {
        let root = tempfile::tempdir().unwrap();
        let folder = NodeFolder::new(root.path().join("7"));
        folder.make().unwrap();
        (root, folder)
    }

    #[test]
    fn what_is_written_is_read_and_nobody_else_may() {
        let (_root, folder) = folder();
        assert!(!folder.is_prepared());
        assert_eq!(folder.pid_record(), None);
        let record = PidRecord { pid: 5, started: 77, boot: "b".into() };
        folder.set_prepared().unwrap();
        folder.set_pid_record(&record).unwrap();
        assert!(folder.is_prepared());
        assert_eq!(folder.pid_record(), Some(record));
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder.path.clone()), mode(folder.path.join("pid"))), (0o700, 0o600));
        fs::write(folder.path.join("pid"), "torn").unwrap();
        assert_eq!(folder.pid_record(), None);
    }

    #[test]
    fn the_logs_end_is_told_and_a_long_log_is_put_aside() {
        let (_root, folder) = folder();
        assert!(folder.log_tail().starts_with("(worker.log cannot be read"));
        let mut log = folder.open_log().unwrap();
        assert_eq!(folder.log_tail(), "(worker.log is empty)");
        (0..9).for_each(|line| writeln!(log, "line {line}\n").unwrap());
        assert_eq!(folder.log_tail(), "line 4 | line 5 | line 6 | line 7 | line 8");
        log.set_len(LOG_MAX_BYTES + 1).unwrap();
        assert_eq!(folder.open_log().unwrap().metadata().unwrap().len(), 0);
        assert!(folder.path.join("worker.log.1").exists());
    }

    #[test]
    fn folders_that_nobody_may_write_are_removed_too() {
        let (_root, folder) = folder();
        let inner = folder.path.join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("file"), "x").unwrap();
        fs::set_permissions(&inner, Permissions::from_mode(0o500)).unwrap();
        open_up(&folder.path).unwrap();
        assert_eq!(fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
        folder.remove().unwrap();
        assert!(!folder.exists());
        folder.remove().unwrap();
    }
}
