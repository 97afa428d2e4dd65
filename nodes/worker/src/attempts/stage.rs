//! One attempt: how far it has come, and what is remembered of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_scheduler::{
    message::{Assignment, Phase, StopCause},
    time::WallMicros,
};

use super::{Cause, Parcel, ToKeeper};

/// What is written down of an attempt before its command starts: all that a later agent needs to finish it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) assignment: Assignment,
    /// The outputs that the job names.
    #[serde(default)]
    pub(crate) outputs: Vec<String>,
    /// What it runs in, for people.
    #[serde(default)]
    pub(crate) environment: String,
    /// What people should know of its preparation.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

/// Where an attempt is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Others are being prepared.
    Waiting,
    /// Its folder is being made.
    Preparing,
    /// Ordered from the keeper, or to be ordered as soon as it is there.
    Starting(Arc<ToKeeper>),
    /// Found on disk; the keeper will tell.
    Recovered,
    /// Its command runs.
    Running,
    /// What it left is being stored.
    Finalizing,
    /// Reported, or to be reported, until it is acknowledged.
    Ended(Kept),
    /// Acknowledged, or never started; its folder is being deleted. What is given was sent meanwhile, to begin anew.
    Removing(Option<Arc<Assignment>>),
}

/// Where a report is kept until it is acknowledged.
#[derive(Debug)]
pub(super) enum Kept {
    Memory(Parcel),
    File,
}

/// Why an attempt is being stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopping {
    /// A controller asked.
    Asked(StopCause),
    /// No controller was heard for a lease, and the run says that it then stops.
    Unheard,
}

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) assignment: Arc<Assignment>,
    pub(super) stage: Stage,
    /// When it entered the stage.
    pub(super) since: WallMicros,
    pub(super) stopping: Option<Stopping>,
    pub(super) record: Option<Arc<Record>>,
    pub(super) disk_full: bool,
}

impl Attempt {
    pub(super) fn new(assignment: Arc<Assignment>, stage: Stage, now: WallMicros) -> Self {
        Self { assignment, stage, since: now, stopping: None, record: None, disk_full: false }
    }

    pub(super) fn enter(&mut self, stage: Stage, now: WallMicros) {
        self.stage = stage;
        self.since = now;
    }

    /// The order to the keeper to stop it.
    pub(super) fn stop_order(&self) -> Arc<ToKeeper> {
        Arc::new(ToKeeper::Stop {
            fence: self.assignment.fence.0,
            grace_ms: self.assignment.grace.0,
            cause: Cause::Stopped,
        })
    }

    /// What people should know of it.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = self.record.as_ref().map(|record| record.notes.clone()).unwrap_or_default();
        if self.stopping == Some(Stopping::Unheard) {
            notes.push("stopped, since no controller was heard (on_disconnect: stop)".to_owned());
        }
        if self.disk_full {
            notes.push(
                "the node's disk was full while it ran: its logs and outputs may be incomplete".to_owned(),
            );
        }
        notes
    }
}

impl Stage {
    /// What the controller is told; nothing once it has acknowledged the end.
    pub(super) fn phase(&self) -> Option<Phase> {
        match self {
            Stage::Waiting | Stage::Preparing => Some(Phase::Preparing),
            Stage::Starting(_) | Stage::Recovered => Some(Phase::Starting),
            Stage::Running => Some(Phase::Running),
            Stage::Finalizing | Stage::Ended(_) => Some(Phase::Finalizing),
            Stage::Removing(again) => again.is_some().then_some(Phase::Preparing),
        }
    }

    /// It is reported.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Stage::Ended(_) | Stage::Removing(_))
    }

    /// Something of it runs, or is still to run.
    pub(super) fn is_live(&self) -> bool {
        match self {
            Stage::Waiting | Stage::Preparing | Stage::Starting(_) | Stage::Recovered | Stage::Running => {
                true
            }
            Stage::Finalizing | Stage::Ended(_) => false,
            Stage::Removing(again) => again.is_some(),
        }
    }

    /// Its command may be writing.
    pub(super) fn uses_disk(&self) -> bool {
        matches!(self, Stage::Starting(_) | Stage::Recovered | Stage::Running | Stage::Finalizing)
    }
}
