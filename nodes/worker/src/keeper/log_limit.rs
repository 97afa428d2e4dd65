//! The limit on a run's logs: past it, the middle of the file becomes a hole, and its first and last half stay.
//!
//! The file keeps its size, so that a reader's offsets stay true; the hole reads as zeros and is found by `SEEK_HOLE`.
//! On a file system without holes nothing is cut: the run's exit says that the limit was passed, and its reader
//! decides what to do.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::fs::{FallocateFlags, fallocate};

use super::protocol::StartRequest;

/// Holes begin and end on a block's border.
const BLOCK_BYTES: u64 = 4096;

/// The logs of one run and their limit.
#[derive(Debug)]
pub(super) struct LogLimit {
    limit_bytes: u64,
    logs: Mutex<Vec<Log>>,
    truncated: AtomicBool,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    /// Where the hole ends so far.
    hole_end: u64,
    /// Size when last looked at.
    size: u64,
    /// The file system cannot make holes, or the file is no more.
    given_up: bool,
}

impl LogLimit {
    pub(super) fn new(request: &StartRequest) -> Self {
        let mut paths = vec![&request.stdout];
        if request.stderr != request.stdout {
            paths.push(&request.stderr);
        }
        let log = |path: &PathBuf| Log { path: path.clone(), hole_end: 0, size: 0, given_up: false };
        Self {
            limit_bytes: request.log_limit_bytes,
            logs: Mutex::new(paths.into_iter().map(log).collect()),
            truncated: AtomicBool::new(false),
        }
    }

    /// Whether a log has grown past the limit.
    pub(super) fn truncated(&self) -> bool {
        self.truncated.load(Ordering::Relaxed)
    }

    /// Looks at the logs and cuts those past the limit. Says whether one grows so fast that it should be looked at
    /// again soon.
    pub(super) fn enforce(&self) -> bool {
        if self.limit_bytes == 0 {
            return false;
        }
        let mut fast = false;
        for log in self.logs.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            let before = log.size;
            if let Err(error) = log.enforce(self.limit_bytes, &self.truncated)
                && !log.given_up
            {
                tracing::warn!(log = %log.path.display(), %error, "a log past its limit cannot be cut");
                log.given_up = true;
            }
            fast |= log.size - before.min(log.size) > self.limit_bytes / 8;
        }
        fast
    }
}

impl Log {
    fn enforce(&mut self, limit: u64, truncated: &AtomicBool) -> io::Result<()> {
        let metadata = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => metadata?,
        };
        self.size = metadata.len();
        if !metadata.is_file() || self.size <= limit {
            return Ok(());
        }
        truncated.store(true, Ordering::Relaxed);
        let begin = (limit / 2).next_multiple_of(BLOCK_BYTES).max(self.hole_end);
        let end = (self.size - limit / 2) / BLOCK_BYTES * BLOCK_BYTES;
        if self.given_up || end <= begin {
            return Ok(());
        }
        punch(&self.path, begin, end)?;
        self.hole_end = end;
        Ok(())
    }
}

fn punch(path: &Path, begin: u64, end: u64) -> io::Result<()> {
    // The run can put a link in the place of its log; what that points to is not ours to cut.
    let file = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, begin, end - begin)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn head_and_tail_stay_and_the_middle_takes_no_space() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut request = crate::keeper::tests::request(1, &["true"], folder.path());
        request.stdout = path.clone();
        request.stderr = path.clone();
        request.log_limit_bytes = 64 * 1024;
        let logs = LogLimit::new(&request);
        let mut content: Vec<u8> = (0..1 << 20).map(|at: u32| b'a' + (at % 26) as u8).collect();
        fs::write(&path, &content).unwrap();
        logs.enforce();
        assert!(logs.truncated());
        assert_eq!(fs::metadata(&path).unwrap().len(), 1 << 20);
        assert!(fs::metadata(&path).unwrap().blocks() * 512 <= 64 * 1024 + 3 * BLOCK_BYTES);
        let end = content.len() - 32 * 1024;
        content[32 * 1024..end].fill(0);
        assert!(fs::read(&path).unwrap() == content);
    }

    #[test]
    fn a_log_at_its_limit_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut request = crate::keeper::tests::request(1, &["true"], folder.path());
        request.log_limit_bytes = 8192;
        fs::write(&request.stdout, [b'x'; 8192]).unwrap();
        let logs = LogLimit::new(&request);
        logs.enforce();
        assert!(!logs.truncated());
    }
}
