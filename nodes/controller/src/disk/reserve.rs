//! Disk space kept back for the log, so that a full disk stops submissions and not consensus.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use super::error::LogError;

/// The reserve is given out in steps, so that whatever else fills the disk cannot take it all at once.
const STEP: u64 = 1 << 20;
/// Kept back from entries to the last: compaction, which gives space back, needs a little to begin with.
const LAST_SLICE: u64 = 256 << 10;
/// How long to wait between two attempts to make the reserve whole again.
const REFILL_EVERY: Duration = Duration::from_millis(500);

/// The disk is full: the log lives on what was reserved for it, and nothing that can wait should be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskPressure {
    /// The log's folder.
    pub folder: PathBuf,
    /// Bytes that the file system has left for this process.
    pub free_bytes: u64,
    /// Bytes of the reserve that are left.
    pub reserve_bytes: u64,
    /// Bytes that the reserve should have.
    pub reserve_full_bytes: u64,
}

impl fmt::Display for DiskPressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
        write!(
            f,
            "the disk of {} is full: {:.1} MiB are free, and {:.1} of {:.1} MiB reserved for the log are left; \
             new work is refused until {:.1} MiB are free: delete files there, or move the data folder to a \
             larger disk",
            self.folder.display(),
            mib(self.free_bytes),
            mib(self.reserve_bytes),
            mib(self.reserve_full_bytes),
            mib(needed_to_refill(self.reserve_full_bytes, self.reserve_bytes)),
        )
    }
}

/// What asks for reserved space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Entries of the log.
    Entries,
    /// The log's own upkeep, which may use the last slice.
    Upkeep,
}

/// A file of reserved space beside the log's own.
#[derive(Debug)]
pub(super) struct Reserve {
    folder: PathBuf,
    path: PathBuf,
    full: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    left: u64,
    last_refill: Instant,
}

impl Reserve {
    /// Opens the reserve in `folder`, and reserves as much of `full` bytes as the disk has.
    pub(super) fn open(folder: &Path, full: u64) -> Result<Self, LogError> {
        let path = folder.join("reserve");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(LogError::io("open", &path))?;
        let mut left = file.metadata().map_err(LogError::io("look at", &path))?.len();
        if left > full {
            file.set_len(full).map_err(LogError::io("shorten", &path))?;
            left = full;
        }
        let mut state = State { file, left, last_refill: Instant::now() };
        match state.grow(full) {
            Err(error) if !is_full(&error) => Err(LogError::io("reserve space in", &path)(error)),
            _ => Ok(Self { folder: folder.into(), path, full, state: Mutex::new(state) }),
        }
    }

    /// Gives back at least `needed` bytes to the file system, if the reserve still has something that
    /// `purpose` may use. `false` means that nothing is left.
    pub(super) fn release(&self, needed: u64, purpose: Purpose) -> io::Result<bool> {
        let mut state = self.lock();
        let keep = if purpose == Purpose::Upkeep { 0 } else { LAST_SLICE.min(self.full / 4) };
        let available = state.left.saturating_sub(keep);
        if available == 0 {
            return Ok(false);
        }
        let step = needed.saturating_mul(2).max(STEP.min(self.full / 4)).min(available);
        state.left -= step;
        state.file.set_len(state.left)?;
        // Freed blocks can be used again once the file system has recorded that they are free.
        state.file.sync_all()?;
        tracing::warn!(
            folder = %self.folder.display(),
            left_bytes = state.left,
            "the disk is full: the log now uses the space reserved for it"
        );
        Ok(true)
    }

    /// Whether the disk is full. Tries now and then to make the reserve whole again.
    pub(super) fn pressure(&self) -> Option<DiskPressure> {
        let mut state = self.lock();
        if state.left == self.full {
            return None;
        }
        let free_bytes = free_bytes(&self.folder);
        if state.last_refill.elapsed() >= REFILL_EVERY
            && free_bytes >= needed_to_refill(self.full, state.left)
        {
            state.last_refill = Instant::now();
            match state.grow(self.full) {
                Ok(()) => {
                    tracing::info!(folder = %self.folder.display(), "the log's reserve is whole again");
                    return None;
                }
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "cannot refill the log's reserve")
                }
            }
        }
        Some(DiskPressure {
            folder: self.folder.clone(),
            free_bytes,
            reserve_bytes: state.left,
            reserve_full_bytes: self.full,
        })
    }

    /// What the file system has left, for messages.
    pub(super) fn free_bytes(&self) -> u64 {
        free_bytes(&self.folder)
    }

    /// A panic elsewhere leaves the numbers as they are: each is set before the next step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn grow(&mut self, full: u64) -> io::Result<()> {
        if self.left >= full {
            return Ok(());
        }
        let grown = match fallocate(&self.file, FallocateFlags::empty(), 0, full) {
            Err(Errno::OPNOTSUPP) => self.write_zeros(full),
            result => result.map_err(io::Error::from),
        };
        if let Err(error) = grown {
            // A part may have been reserved: that part must not outlive the failure.
            self.file.set_len(self.left)?;
            return Err(error);
        }
        self.file.sync_all()?;
        self.left = full;
        Ok(())
    }

    /// For file systems that cannot reserve without writing.
    fn write_zeros(&mut self, full: u64) -> io::Result<()> {
        let zeros = vec![0; 1 << 16];
        io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.left))?;
        let mut missing = full - self.left;
        while missing > 0 {
            let len = missing.min(zeros.len() as u64);
            self.file.write_all(&zeros[..len as usize])?;
            missing -= len;
        }
        Ok(())
    }
}

/// Whether an error says that the disk, or the owner's share of it, is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// More than what is missing, so that the reserve is not filled only to be needed again at once.
fn needed_to_refill(full: u64, left: u64) -> u64 {
    full - left + full / 4
}

/// 0 when the file system does not say: the number is for people, and for deciding whether to try.
fn free_bytes(folder: &Path) -> u64 {
    statvfs(folder).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}
