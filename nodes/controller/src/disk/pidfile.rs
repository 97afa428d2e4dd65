//! One process at a time: an exclusive lock on a file that names its holder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Why the lock was not taken.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process holds it; its id, when the file could be read.
    Held(Option<u32>),
    /// The file could not be opened, locked or written.
    Io(std::io::Error),
}

impl From<std::io::Error> for LockError {
    fn from(source: std::io::Error) -> Self {
        Self::Io(source)
    }
}

/// Locks `path` for as long as the returned file lives, and writes this process's id into it.
///
/// The kernel drops the lock with the process, however that ends; a file left behind blocks nobody. Child
/// processes do not inherit it: the file is closed on exec.
pub(super) fn lock(path: &Path) -> Result<File, LockError> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Held(holder(&mut file))),
        Err(errno) => return Err(LockError::Io(errno.into())),
    }
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
    Ok(file)
}

/// A holder that has not written its id yet is reported without one.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
