//! Runs, their elements and their attempts.

use super::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// Where a run stands, by Azure ML's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum RunState {
    /// It waits for capacity.
    Queued,
    /// It is on a node, which makes its folder, inputs and environment.
    Preparing,
    /// Its command is about to be started.
    Starting,
    /// Its command runs.
    Running,
    /// Its command has ended; outputs and logs are being stored.
    Finalizing,
    /// Its node has been silent for a lease. It may well be running.
    NotResponding,
    /// Somebody asked for it to end.
    CancelRequested,
    /// It did what it should.
    Completed,
    /// It did not.
    Failed,
    /// Somebody ended it.
    Canceled,
}

impl RunState {
    /// Every state.
    pub const ALL: [RunState; 10] = [
        RunState::Queued,
        RunState::Preparing,
        RunState::Starting,
        RunState::Running,
        RunState::Finalizing,
        RunState::NotResponding,
        RunState::CancelRequested,
        RunState::Completed,
        RunState::Failed,
        RunState::Canceled,
    ];

    /// Whether it will never change unless somebody retries it.
    pub fn is_over(self) -> bool {
        matches!(self, RunState::Completed | RunState::Failed | RunState::Canceled)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Padding in tables goes by the name.
        f.pad(match self {
            RunState::Queued => "Queued",
            RunState::Preparing => "Preparing",
            RunState::Starting => "Starting",
            RunState::Running => "Running",
            RunState::Finalizing => "Finalizing",
            RunState::NotResponding => "NotResponding",
            RunState::CancelRequested => "CancelRequested",
            RunState::Completed => "Completed",
            RunState::Failed => "Failed",
            RunState::Canceled => "Canceled",
        })
    }
}

impl FromStr for RunState {
    type Err = String;

    fn from_str(text: &str) -> Result<RunState, String> {
        let found = RunState::ALL.into_iter().find(|state| state.to_string().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let known: Vec<String> = RunState::ALL.iter().map(RunState::to_string).collect();
            format!(
                "`{}` is no state of a run; known are {}",
                text.chars().take(40).collect::<String>(),
                known.join(", ")
            )
        })
    }
}

/// How many elements of a run stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ElementCounts {
    /// In the queue.
    pub queued: u32,
    /// On a node.
    pub running: u32,
    /// Over, and well.
    pub completed: u32,
    /// Over, and not.
    pub failed: u32,
    /// Over because somebody ended them.
    pub canceled: u32,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunSummary {
    /// Its name.
    pub name: String,
    /// The name that people see, if it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Its workspace.
    pub workspace: String,
    /// Its experiment.
    pub experiment: String,
    /// The pool it is queued for.
    pub pool: String,
    /// Where it stands; for an array, its furthest element that has not ended.
    pub state: RunState,
    /// How many elements it has: 1 for a run that is not an array.
    pub count: u32,
    /// How many of them stand where.
    pub elements: ElementCounts,
    /// When it was accepted.
    pub submitted_at: Option<Timestamp>,
    /// When its first command started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its last element ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What its command returned; of a run that is not an array, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// How it ended, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// What an element of a run takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NeedView {
    /// It has a node to itself.
    pub whole_node: bool,
    /// vCPU, of a part of a node.
    pub vcpu: u32,
    /// MiB of memory, of a part of a node; 0 is no reservation and no limit.
    pub memory_mib: u64,
    /// GPUs, of a part of a node.
    pub gpus: f64,
}

/// All that is known of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunDetails {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// Free text about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, Option<String>>,
    /// Its properties.
    pub properties: BTreeMap<String, Option<String>>,
    /// 0 to 100: higher goes first.
    pub priority: u8,
    /// What goes first, whoever's it is: from the priority, and one higher for each day in the queue.
    pub band: BandName,
    /// Whose it is, where several teams share the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The runs that must end before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<AfterView>,
    /// No more of its elements than this run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// What each element takes.
    pub need: NeedView,
    /// How often a failed command is tried again.
    pub retries: u16,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_seconds: f64,
    /// The job as it was accepted.
    pub job: serde_json::Value,
    /// Which element `attempts`, `outputs` and `notes` are of.
    pub element: u32,
    /// Its tries, the latest last.
    pub attempts: Vec<AttemptView>,
    /// The names of what its accepted attempt left behind.
    pub outputs: Vec<String>,
    /// What people should know: why it was cancelled in the queue, a warning about its environment, a log that was cut.
    pub notes: Vec<String>,
}

/// What goes first, whoever's it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BandName {
    /// Priorities up to 37.
    Low,
    /// Those around 50.
    Medium,
    /// 63 and more.
    High,
}

/// A run that must end before another one starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AfterView {
    /// Its name.
    pub run: String,
    /// How it must end.
    pub on: DependsOnName,
    /// How it has ended; absent while it is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<RunState>,
}

/// How a run must end before another one starts; one that ends otherwise cancels what waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DependsOnName {
    /// Well.
    Completed,
    /// Not well: failed, or cancelled.
    Failed,
    /// However.
    Ended,
}

/// One try of one element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// Which try, from 1.
    pub attempt: u32,
    /// Its fencing number.
    pub fence: String,
    /// Where it ran.
    pub node: String,
    /// Where it stands.
    pub state: RunState,
    /// When its command started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its command ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How it ended, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// What its command returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// CPU time used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// The most memory resident at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rss_mib: Option<f64>,
    /// Which environment it ran in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Which limits were enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confinement: Option<String>,
}

/// One element of an array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ElementView {
    /// Its number, from 0.
    pub element: u32,
    /// Where it stands.
    pub state: RunState,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// How far a run has come, for somebody who waits for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunStatus {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: RunState,
    /// How many elements it has.
    pub count: u32,
    /// How many of them stand where.
    pub elements: ElementCounts,
    /// What its command returned, once it has ended and is not an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// How it ended, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// Why a run waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: RunState,
    /// Where it stands, in a sentence.
    pub summary: String,
    /// Every reason why elements of it wait; empty when none does.
    pub reasons: Vec<Reason>,
}

/// One reason why a run waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// The reason as a sentence, with what would help.
    pub text: String,
    /// The same as numbers; its key `reason` tells which there are.
    pub details: serde_json::Value,
}

/// How many elements a request touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Touched {
    /// That many; 0 when the same had been asked for before.
    pub elements: u64,
}
