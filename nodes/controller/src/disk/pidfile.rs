//! One process at a time: an exclusive lock on a file that names its holder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::reserve::is_full;

/// How long a lock may outlive its holder: a child that the holder was just starting shares it until it runs its
/// own program.
const LINGER: Duration = Duration::from_secs(1);

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
/// processes do not keep it: the file is closed on exec.
pub(super) fn lock(path: &Path) -> Result<File, LockError> {
    let mut file = take(path)?;
    file.rewind()?;
    // In place and of one length, so that a file once made needs no more space.
    match file.write_all(format!("{:<20}\n", std::process::id()).as_bytes()) {
        // The lock holds all the same; only its message lacks the id.
        Err(error) if is_full(&error) => {
            tracing::warn!(file = %path.display(), %error, "cannot note who holds the lock")
        }
        result => result?,
    }
    Ok(file)
}

/// Waits until nobody holds `path`, as far as that can be a matter of moments.
pub(super) fn wait_until_free(path: &Path) -> Result<(), LockError> {
    take(path).map(drop)
}

fn take(path: &Path) -> Result<File, LockError> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let give_up = Instant::now() + LINGER;
    while let Err(errno) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if errno != Errno::WOULDBLOCK {
            return Err(LockError::Io(errno.into()));
        }
        let holder = holder(&mut file);
        if lives_on(holder) || Instant::now() >= give_up {
            return Err(LockError::Held(holder));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(file)
}

/// Whether another process holds the lock and is there to keep it.
fn lives_on(holder: Option<u32>) -> bool {
    let Some(pid) = holder.filter(|&pid| pid != std::process::id()) else { return false };
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    test_kill_process(pid) != Err(Errno::SRCH)
}

/// A holder that has not written its id yet is reported without one.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
