//! What history says of runs and attempts; asked off the threads that serve.

use crate::api::{Problem, RunState, format_wall};
use crate::app::{App, blocking, stopping};
use crate::problem::{behind, internal, not_found};
use tidegate_scheduler::event::What;
use tidegate_scheduler::ids::{Fence, NodeId, RunId, Slot};
use tidegate_scheduler::message::End;
use tidegate_scheduler::time::WallMicros;
use tidegate_store::artifacts::{Artifacts, StoredLog};
use tidegate_store::wire::LogStream;
use tidegate_store::{AttemptRow, Digest, EventFilter, History, HistoryError, RunRow};

/// Of a run that was changed over and over, the latest events alone are told.
const LOOKED_AT: u32 = 1000;

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Problem {
        match error {
            HistoryError::Store(error) => error.into(),
            HistoryError::Behind { .. } => behind(error),
            other => internal(other),
        }
    }
}

/// Asks history, once it holds all that the core has told.
pub(crate) async fn ask<T: Send + 'static>(
    app: &App,
    question: impl FnOnce(&History) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    is_whole(app)?;
    let settled = app.controller.settle_history().await.map_err(stopping)?;
    // One that is alone tells what it has: nobody else could tell more.
    if !settled && !app.read(|core| core.members().is_alone(core.id().0)).await? {
        return Err(behind(
            "what happened last cannot be written down on this controller now; its log says why",
        ));
    }
    // What came to light only now: a state that another controller sent.
    is_whole(app)?;
    let history = app.controller.history().clone();
    blocking(move || question(&history)).await
}

/// Whether this controller's history lacks nothing; else another one's is to be asked.
pub(crate) fn is_whole(app: &App) -> Result<(), Problem> {
    match app.controller.history().is_behind() {
        true => Err(behind(
            "what happened before this controller joined is being copied to it; ask again in a moment",
        )),
        false => Ok(()),
    }
}

/// One run, and its specification.
pub(crate) async fn run(app: &App, run: RunId) -> Result<(RunRow, Vec<u8>), Problem> {
    let found = ask(app, move |history| Ok(history.run(run)?.zip(history.body(run)?))).await?;
    found.ok_or_else(|| not_found(format!("run {run} has just been dropped: its time in history is over")))
}

/// What befell a run in the queue, in words, the first first.
pub(crate) async fn in_the_queue(app: &App, run: RunId) -> Result<Vec<String>, Problem> {
    ask(app, move |history| {
        let mut told = Vec::new();
        for event in history.events(EventFilter::Run(run), None, LOOKED_AT)?.items {
            let at = format_wall(event.wall);
            match event.what {
                What::Promoted { band, .. } => {
                    let band = format!("{band:?}").to_lowercase();
                    told.push(format!("it had waited for long, and rose to the band {band} ({at})"));
                }
                What::PrerequisiteNotMet { after, .. } => {
                    let name = history.run(after)?.map_or_else(|| after.to_string(), |row| row.submit.name);
                    told.push(format!("canceled, since run {name}, which it was to start after, ended otherwise than it must ({at})"));
                }
                _ => {}
            }
        }
        told.reverse();
        Ok(told)
    })
    .await
}

/// The tries of one element, the first one first.
pub(crate) async fn attempts(app: &App, slot: Slot) -> Result<Vec<PastAttempt>, Problem> {
    ask(app, move |history| history.attempts(slot)?.into_iter().map(PastAttempt::read).collect()).await
}

/// One try of one element.
#[derive(Clone, Debug)]
pub(crate) struct PastAttempt {
    pub(crate) attempt: u32,
    pub(crate) fence: Fence,
    pub(crate) node: NodeId,
    /// It is its element's result.
    pub(crate) accepted: bool,
    pub(crate) started: Option<WallMicros>,
    pub(crate) ended: Option<WallMicros>,
    pub(crate) cpu_micros: Option<u64>,
    pub(crate) max_rss_kib: Option<u64>,
    /// What it left behind; absent while it goes on, and when nothing more was heard of it.
    pub(crate) artifacts: Option<Artifacts>,
    pub(crate) notes: Vec<String>,
    end: Option<End>,
    reason: Option<String>,
}

impl PastAttempt {
    fn read(row: AttemptRow) -> Result<PastAttempt, Problem> {
        let accepted = row.accepted();
        let report = row.report;
        let artifacts = report.as_ref().map(|report| Artifacts::decode(&report.artifacts)).transpose();
        Ok(PastAttempt {
            attempt: row.attempt,
            fence: row.fence,
            node: row.node,
            accepted,
            started: report.as_ref().map(|report| report.started),
            ended: report.as_ref().map(|report| report.ended).or(row.ended),
            cpu_micros: report.as_ref().map(|report| report.cpu_micros),
            max_rss_kib: report.as_ref().map(|report| report.max_rss_kib),
            artifacts: artifacts.map_err(|error| internal(format!("attempt {}: {error}", row.fence)))?,
            notes: report.as_ref().map(|report| report.notes.clone()).unwrap_or_default(),
            end: report.map(|report| report.end),
            reason: row.reason,
        })
    }

    /// What its command returned.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.end.as_ref().and_then(exit_code)
    }

    /// How it ended, in words.
    pub(crate) fn result(&self) -> Option<String> {
        self.reason.clone().or_else(|| self.end.as_ref().map(End::to_string))
    }

    /// Where it stands, unless the core knows better.
    pub(crate) fn state(&self) -> RunState {
        match &self.end {
            Some(End::Succeeded) => RunState::Completed,
            Some(End::Stopped) => RunState::Canceled,
            Some(_) => RunState::Failed,
            None if self.ended.is_some() => RunState::Failed,
            None => RunState::Preparing,
        }
    }

    pub(crate) fn log(&self, stream: LogStream) -> Option<StoredLog> {
        let left = self.artifacts.as_ref()?;
        match stream {
            LogStream::Stdout => left.stdout.clone(),
            LogStream::Stderr => left.stderr.clone(),
        }
    }

    /// Its outputs by name: what the job names, and `default`, the folders `outputs/` and `logs/`.
    pub(crate) fn outputs(&self) -> Vec<(String, Digest)> {
        let Some(left) = &self.artifacts else { return Vec::new() };
        let default = left.default.map(|tree| ("default".to_owned(), tree));
        default.into_iter().chain(left.named.iter().cloned()).collect()
    }
}

/// What a command returned; for one that a signal ended, 128 and the signal, as shells have it.
pub(crate) fn exit_code(end: &End) -> Option<i32> {
    match end {
        End::Succeeded => Some(0),
        End::Exited { code } => Some(*code),
        End::Signaled { signal, .. } => Some(128 + signal),
        End::TimedOut | End::Stopped | End::CannotStart { .. } | End::System { .. } => None,
    }
}
