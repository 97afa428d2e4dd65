//! Why the durable log cannot be opened, written or read.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// What to do about a log that lost something it had acknowledged.
const REMEDY: &str = "nothing was deleted or changed. Restore the data folder from a backup, or start this \
                      controller on an empty data folder so that it joins again as a new member";

/// Why the durable log cannot be opened, written or read.
#[derive(Debug, Error)]
pub enum LogError {
    /// A record cannot be read although more was written after it, so what it held had been acknowledged.
    #[error(
        "the log is damaged: {} holds no valid record at byte {offset}, yet {}; {REMEDY}",
        file.display(), after(file, next_valid.as_ref())
    )]
    Damaged {
        /// The file with the damage.
        file: PathBuf,
        /// Where in it the first bad record begins.
        offset: u64,
        /// The first valid record after it: its file and offset. `None` when there is none, but this file was
        /// on the disk whole: a later one was begun after it, or it is known to have begun itself.
        next_valid: Option<(PathBuf, u64)>,
    },
    /// One of the numbered files is not there.
    #[error("the log is damaged: {} is missing; {REMEDY}", file.display())]
    MissingFile {
        /// The file that should be there.
        file: PathBuf,
    },
    /// Every record is whole, but together they are not a log that was ever acknowledged.
    #[error("the log in {} is damaged: {detail}; {REMEDY}", folder.display())]
    Incomplete {
        /// The log's folder.
        folder: PathBuf,
        /// What is missing or does not fit.
        detail: String,
    },
    /// The disk is full, and so is what had been reserved; nothing was written.
    #[error(
        "the disk of {} is full: {free_bytes} bytes are free and the log's reserve is used up; free some space, \
         or move the data folder to a larger disk", folder.display()
    )]
    DiskFull {
        /// The log's folder.
        folder: PathBuf,
        /// What the file system has left for this process.
        free_bytes: u64,
    },
    /// What was to be written does not continue the log; nothing was written. A fault of the caller.
    #[error("the log cannot take this write: {detail}")]
    OutOfOrder {
        /// What does not fit.
        detail: String,
    },
    /// The entry has been compacted away; a snapshot has it.
    #[error("entry {index} is no longer in the log, which begins at {first}; a snapshot holds it")]
    Compacted {
        /// The entry asked for.
        index: u64,
        /// The first entry that the log may hold.
        first: u64,
    },
    /// The log does not reach so far.
    #[error("entry {index} is not in the log, which ends at {last}")]
    NotReached {
        /// The entry asked for.
        index: u64,
        /// The last entry that the log holds.
        last: u64,
    },
    /// An earlier write may have reached the disk in part, so nothing more is written. A restart reads what is
    /// there and decides.
    #[error("the log in {} takes no more writes: {reason}; check the disk, then restart this controller", folder.display())]
    Broken {
        /// The log's folder.
        folder: PathBuf,
        /// What happened.
        reason: String,
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
    /// The storage engine refused.
    #[error("cannot {action} the log in {}: {detail}", folder.display())]
    Engine {
        /// What was tried.
        action: &'static str,
        /// The log's folder.
        folder: PathBuf,
        /// The engine's answer.
        detail: String,
    },
}

impl LogError {
    /// For `map_err`: an I/O error with what was tried, and on what.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

fn after(file: &Path, next: Option<&(PathBuf, u64)>) -> String {
    match next {
        Some((next, offset)) if next == file => format!("a valid one follows at byte {offset}"),
        Some((next, offset)) => format!("a valid one follows in {} at byte {offset}", next.display()),
        None => "it was on the disk whole".into(),
    }
}
