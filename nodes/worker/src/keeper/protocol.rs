//! What the agent and the keeper say to each other, as frames over the unix socket in the node's folder.
//!
//! The agent speaks first, with [`ToKeeper::Hello`]; the keeper answers [`FromKeeper::Welcome`]. An agent that is newer
//! than the keeper speaks the keeper's version or refuses it: the keeper outlives upgrades of the agent.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cgroup::Confinement;

/// The version of this protocol. A change that an older keeper would misread raises it.
pub const VERSION: u32 = 1;

/// Largest frame either side accepts, in bytes.
pub const FRAME_MAX_BYTES: usize = 4 << 20;

/// Most attempts in one [`FromKeeper::Attempts`].
pub const ATTEMPTS_PER_FRAME: usize = 1024;

/// From the agent to the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToKeeper {
    /// The first message of a connection: the version the agent speaks.
    Hello {
        /// The agent's [`VERSION`].
        version: u32,
    },
    /// Start an attempt. A fence that is already known is answered with its status and never started again.
    Start(StartRequest),
    /// Stop an attempt: SIGTERM now, SIGKILL to all that is left of it after the grace period.
    Stop {
        /// Which attempt.
        fence: u64,
        /// Milliseconds between SIGTERM and SIGKILL. A second stop may shorten it, never lengthen it.
        grace_ms: u64,
        /// Why, as its exit will say; the first reason given stays. [`Cause::Natural`] counts as [`Cause::Stopped`].
        cause: Cause,
    },
    /// The exits of these attempts are in safe hands: drop them. Attempts that still run are not affected.
    Forget {
        /// Which attempts.
        fences: Vec<u64>,
    },
    /// Tell all attempts not yet forgotten.
    List,
    /// Stop every attempt (each with its own grace period), remove the cgroups and leave.
    Shutdown,
}

/// From the keeper to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromKeeper {
    /// The answer to [`ToKeeper::Hello`].
    Welcome {
        /// The keeper's [`VERSION`].
        version: u32,
        /// The keeper's process id.
        pid: u32,
        /// Which limits are enforced, and why others are not.
        confinement: Confinement,
    },
    /// The command runs.
    Started {
        /// Which attempt.
        fence: u64,
        /// The command's process id, which is also its session and process group.
        pid: u32,
        /// When, in microseconds of the Unix epoch.
        started_unix_us: u64,
    },
    /// The command could not be started; nothing of it runs. Listed until forgotten, as an exit is.
    StartFailed {
        /// Which attempt.
        fence: u64,
        /// What could not be done, with the system's own words.
        error: String,
    },
    /// The command has ended, and so has everything that it started.
    Exited(Exit),
    /// A part of the answer to [`ToKeeper::List`], by rising fence.
    Attempts {
        /// At most [`ATTEMPTS_PER_FRAME`] of them.
        attempts: Vec<AttemptStatus>,
        /// No further part follows.
        last: bool,
    },
}

/// What to start. Every path is absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRequest {
    /// The attempt's fencing number, unique for ever.
    pub fence: u64,
    /// The program and its arguments. A program without `/` is looked up in the `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment; nothing is inherited. (Without cgroups the keeper adds `TIDEGATE_RUN_MARK`, by which
    /// it finds what the command leaves behind.)
    pub env: Vec<(String, String)>,
    /// Working folder.
    pub cwd: PathBuf,
    /// File that standard output is appended to; created with mode 0600 if absent.
    pub stdout: PathBuf,
    /// File that standard error is appended to; may be the same as `stdout`.
    pub stderr: PathBuf,
    /// Resource limits.
    pub limits: Limits,
    /// Stop with [`Cause::TimedOut`] after so many milliseconds.
    pub timeout_ms: Option<u64>,
    /// Milliseconds between SIGTERM and SIGKILL when the keeper itself stops the attempt.
    pub grace_ms: u64,
    /// Bytes of each of `stdout` and `stderr` that are kept: the first and the last half. 0: no limit.
    pub log_limit_bytes: u64,
}

/// Resource limits; `None` is unlimited. Which of them are enforced is told by [`Confinement`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time per time, in thousandths of one CPU.
    pub cpu_milli: Option<u32>,
    /// Memory, in bytes, page cache of the command included; swap is not added to it.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// How an attempt ended, and what it used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Which attempt.
    pub fence: u64,
    /// How the command itself ended.
    pub outcome: Outcome,
    /// Who ended it.
    pub cause: Cause,
    /// The kernel killed a process of the attempt because its memory limit was reached.
    pub oom_killed: bool,
    /// When the command started, in microseconds of the Unix epoch; 0 when that is not known.
    pub started_unix_us: u64,
    /// When the command ended, in microseconds of the Unix epoch.
    pub ended_unix_us: u64,
    /// CPU time of the command and the descendants that it waited for, in microseconds.
    pub cpu_us: u64,
    /// Largest resident set of any one process among them, in KiB.
    pub max_rss_kib: u64,
    /// Standard output or error grew past its limit: its middle is a hole that reads as zeros (or, on a file system
    /// without holes, the file is whole and the reader is to cut it).
    pub log_truncated: bool,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It returned this exit code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// Its exit status cannot be known, because the keeper that had started it died. Nothing of it runs any more.
    Lost {
        /// What happened.
        reason: String,
    },
}

/// Who ended a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// It ended by itself.
    Natural,
    /// It was told to stop.
    Stopped,
    /// Its time was over.
    TimedOut,
}

/// Where an attempt stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStatus {
    /// Which attempt.
    pub fence: u64,
    /// Where it stands.
    pub phase: Phase,
}

/// The phases of an attempt, as the keeper sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Accepted, not running yet.
    Starting,
    /// The command runs.
    Running {
        /// Its process id.
        pid: u32,
        /// Since when, in microseconds of the Unix epoch.
        started_unix_us: u64,
    },
    /// It could not be started.
    StartFailed {
        /// Why.
        error: String,
    },
    /// It has ended.
    Exited(Exit),
}

impl Phase {
    /// Nothing of the attempt runs, now or later.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Starting | Self::Running { .. } => false,
            Self::StartFailed { .. } | Self::Exited(_) => true,
        }
    }
}

impl AttemptStatus {
    /// The message that tells this status, if it is one of those that are told by themselves.
    pub(super) fn into_message(self) -> Option<FromKeeper> {
        let fence = self.fence;
        match self.phase {
            Phase::Starting => None,
            Phase::Running { pid, started_unix_us } => {
                Some(FromKeeper::Started { fence, pid, started_unix_us })
            }
            Phase::StartFailed { error } => Some(FromKeeper::StartFailed { fence, error }),
            Phase::Exited(exit) => Some(FromKeeper::Exited(exit)),
        }
    }
}
