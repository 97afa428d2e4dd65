//! The storage engine under the log: how it is set up, and how its failures are told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use raft_engine::{Config, Engine, ReadableSize, RecoveryMode};

use super::error::LogError;
use super::files::LogFiles;
use super::log::LogOptions;
use super::pidfile::{self, LockError};
use super::reserve::Reserve;

/// Opens the engine on files that recovery has passed.
pub(super) fn open(
    path: &Path,
    options: &LogOptions,
    reserve: Arc<Reserve>,
) -> Result<Engine<LogFiles>, LogError> {
    let dir = path.to_str().ok_or_else(|| LogError::Engine {
        action: "open",
        folder: path.into(),
        detail: "the path is not UTF-8; choose another folder".into(),
    })?;
    wait_for_lock(path)?;
    let config = Config {
        dir: dir.into(),
        // Whatever had to be cut off is cut off by now: the engine is to find nothing bad, and drop nothing.
        recovery_mode: RecoveryMode::AbsoluteConsistency,
        recovery_threads: 1,
        // A flipped bit in a record's compression type would not be caught by its checksums.
        batch_compression_threshold: ReadableSize(0),
        target_file_size: ReadableSize(options.file_bytes),
        purge_threshold: ReadableSize(options.file_bytes),
        // A recycled file has old records in it, which recovery could not tell from a log's continuation.
        enable_log_recycle: false,
        ..Config::default()
    };
    let files = Arc::new(LogFiles::new(reserve, options.ahead_bytes));
    guarded(path, "open", || Engine::open_with_file_system(config, files))
}

/// The engine locks its folder too, and gives up at once if a child just being started still shares the lock
/// of a log closed a moment ago.
fn wait_for_lock(folder: &Path) -> Result<(), LogError> {
    let path = folder.join("LOCK");
    match pidfile::wait_until_free(&path) {
        Ok(()) => Ok(()),
        Err(LockError::Io(source)) => Err(LogError::io("lock", &path)(source)),
        Err(LockError::Held(holder)) => Err(LogError::Engine {
            action: "open",
            folder: folder.into(),
            detail: format!(
                "{} is locked by another process ({holder:?}); stop that one first",
                path.display()
            ),
        }),
    }
}

/// Calls the engine. It panics when a sync fails: that must end the log, not the process's other work unawares.
pub(super) fn guarded<T>(
    folder: &Path,
    action: &'static str,
    call: impl FnOnce() -> raft_engine::Result<T>,
) -> Result<T, LogError> {
    told(folder, action, catch_unwind(AssertUnwindSafe(call)))
}

fn told<T>(
    folder: &Path,
    action: &'static str,
    outcome: thread::Result<raft_engine::Result<T>>,
) -> Result<T, LogError> {
    match outcome {
        Ok(result) => result.map_err(|error| self::error(folder, action, error)),
        Err(panic) => {
            let detail = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()))
                .unwrap_or_else(|| "the storage engine gave up".into());
            Err(LogError::Engine { action, folder: folder.into(), detail })
        }
    }
}

/// What the engine's refusal means here.
pub(super) fn error(folder: &Path, action: &'static str, error: raft_engine::Error) -> LogError {
    match error {
        raft_engine::Error::Io(source) => LogError::Io { action, path: folder.into(), source },
        other => LogError::Engine { action, folder: folder.into(), detail: other.to_string() },
    }
}

/// Reads on a thread of its own. The engine keeps the block that a thread read last, and knows it by its file's
/// number and place alone: another log read by the same thread, or the same log opened again after its end
/// was cut off, would be given that block for its own. Reads are rare (a start, a member that fell behind), and
/// a thread costs some 30 us.
pub(super) fn read<T: Send>(
    folder: &Path,
    call: impl FnOnce() -> raft_engine::Result<T> + Send,
) -> Result<T, LogError> {
    thread::scope(|scope| {
        let reader = thread::Builder::new()
            .name("log-read".into())
            .spawn_scoped(scope, call)
            .map_err(LogError::io("start a thread to read", folder))?;
        told(folder, "read", reader.join())
    })
}
