//! What a controller and a worker say to each other about runs; both drivers carry it.

use crate::command::OnDisconnect;
use crate::ids::{ContentId, Fence, Slot};
use crate::resources::Resources;
use crate::time::{Millis, WallMicros};
use serde::{Deserialize, Serialize};

/// To a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Start an attempt; one that is known already is not started twice.
    Start(Box<Assignment>),
    /// Stop an attempt: SIGTERM, then SIGKILL after its grace.
    Stop {
        /// Which.
        fence: Fence,
        /// Why, for people.
        cause: StopCause,
    },
    /// The result is durable (or was refused as superseded): forget the attempt and its folder.
    Acknowledge {
        /// Which.
        fence: Fence,
    },
    /// I lead: say what there is. A worker that has heard of a later term takes no notice.
    Attach {
        /// The leader's term.
        term: u64,
    },
    /// Stop everything and leave: the node is released.
    Leave,
}

/// One attempt of one element, for a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The attempt's fencing number.
    pub fence: Fence,
    /// The element.
    pub slot: Slot,
    /// How many elements the run has; 1 when it is no array.
    pub count: u32,
    /// The run's name.
    pub run: String,
    /// The run's workspace.
    pub workspace: String,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// What it may use.
    pub resources: Resources,
    /// Where its specification is found.
    pub body: ContentId,
    /// What to do when no controller is heard.
    pub on_disconnect: OnDisconnect,
    /// Between SIGTERM and SIGKILL.
    pub grace: Millis,
}

/// Why an attempt is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// Its run was cancelled.
    Canceled,
    /// A later attempt took its place.
    Superseded,
    /// Its node leaves.
    NodeLeaving,
}

/// From a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// What there is: the answer to a leader that asks.
    Attach {
        /// Drawn anew each time that a node's folder is made.
        incarnation: u64,
        /// Every attempt that the node knows and that was not acknowledged: how far it is, and since when.
        attempts: Vec<(Fence, Phase, WallMicros)>,
    },
    /// Still here.
    Heartbeat,
    /// An attempt went on to its next phase.
    Phase {
        /// Which.
        fence: Fence,
        /// Where it is now.
        phase: Phase,
        /// Since when.
        at: WallMicros,
    },
    /// An attempt ended; said again on each connection until it is acknowledged.
    Ended(Box<Report>),
}

/// How far an attempt has come on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Its folder, inputs and environment are being made.
    Preparing,
    /// Handed to the keeper.
    Starting,
    /// Its command runs.
    Running,
    /// Its outputs and logs are being stored.
    Finalizing,
}

/// How an attempt ended, once its outputs and logs are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Which.
    pub fence: Fence,
    /// How.
    pub end: End,
    /// When its command started; 0 if it never did.
    pub started: WallMicros,
    /// When it ended.
    pub ended: WallMicros,
    /// CPU time used, in microseconds.
    pub cpu_micros: u64,
    /// The most memory resident at once, in KiB.
    pub max_rss_kib: u64,
    /// What it left in the store, by role: opaque here, for history and clients.
    #[serde(with = "serde_bytes")]
    pub artifacts: Vec<u8>,
    /// What people should know: a warning about its environment, a log that was cut.
    pub notes: Vec<String>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Its command returned 0.
    Succeeded,
    /// Its command returned something else.
    Exited {
        /// What it returned.
        code: i32,
    },
    /// A signal ended it.
    Signaled {
        /// Which.
        signal: i32,
        /// Whether it was killed for using more memory than it may.
        out_of_memory: bool,
    },
    /// It ran longer than `limits.timeout`.
    TimedOut,
    /// It was stopped because somebody asked.
    Stopped,
    /// It could not start, and another try would not help: a program that does not exist.
    CannotStart {
        /// Why, for people.
        reason: String,
    },
    /// The system failed it: a lost keeper, a full disk, a preparation of ours that broke.
    System {
        /// Why, for people.
        reason: String,
    },
}

impl End {
    /// Whether the system and not the user's program is to blame.
    pub fn is_system(&self) -> bool {
        matches!(self, End::System { .. })
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Succeeded => write!(f, "exit code 0"),
            End::Exited { code } => write!(f, "exit code {code}"),
            End::Signaled { signal, out_of_memory: false } => write!(f, "killed by signal {signal}"),
            End::Signaled { signal, out_of_memory: true } => {
                write!(f, "killed by signal {signal}: it used more memory than it may")
            }
            End::TimedOut => write!(f, "ran longer than limits.timeout"),
            End::Stopped => write!(f, "stopped"),
            End::CannotStart { reason } => write!(f, "could not start: {reason}"),
            End::System { reason } => write!(f, "lost by the system: {reason}"),
        }
    }
}
