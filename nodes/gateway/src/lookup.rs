//! A run as the core knows it now, copied off the core's thread.

use crate::api::{AfterView, BandName, ElementCounts, NeedView, Problem, RunState, RunStatus};
use crate::app::App;
use crate::past::{self, PastAttempt};
use crate::vocabulary::{self, gpus};
use tidegate_scheduler::command::DependsOn;
use tidegate_scheduler::ids::{Fence, NodeId, RunId, Slot};
use tidegate_scheduler::message::Phase;
use tidegate_scheduler::resources::Need;
use tidegate_scheduler::state::elements::ElementState;
use tidegate_scheduler::state::runs::Run;
use tidegate_scheduler::time::{Millis, WallMicros};
use tidegate_scheduler::{Core, Refusal};

/// A run as the core knows it now.
#[derive(Clone, Debug)]
pub(crate) struct LiveRun {
    pub(crate) id: RunId,
    pub(crate) name: String,
    pub(crate) workspace: String,
    pub(crate) pool: String,
    pub(crate) state: RunState,
    pub(crate) count: u32,
    pub(crate) elements: ElementCounts,
    pub(crate) need: Need,
    pub(crate) priority: u8,
    pub(crate) band: BandName,
    pub(crate) team: Option<String>,
    pub(crate) max_concurrent: Option<u32>,
    pub(crate) retries: u16,
    pub(crate) grace: Millis,
    pub(crate) submitted: WallMicros,
    /// When a command of it that still runs started, if its worker said so.
    pub(crate) started: Option<WallMicros>,
}

impl LiveRun {
    pub(crate) fn of(core: &Core, id: RunId, run: &Run) -> LiveRun {
        let state = core.state();
        LiveRun {
            id,
            name: run.name.to_string(),
            workspace: state.workspace_name(run.workspace).to_owned(),
            pool: state
                .pool(run.pool)
                .map_or_else(|| "(deleted)".to_owned(), |pool| pool.settings.name.clone()),
            state: vocabulary::of_run(core, run),
            count: run.elements.count(),
            elements: vocabulary::counts(run.elements.counts()),
            need: run.need,
            priority: run.priority,
            band: vocabulary::band(run.band),
            team: Some(run.team()).filter(|team| !team.is_empty()).map(str::to_owned),
            max_concurrent: run.terms.as_ref().and_then(|terms| terms.max_concurrent),
            retries: run.retries,
            grace: run.grace,
            submitted: run.submitted,
            started: started(core, run),
        }
    }
}

/// Those of the runs that a run waits for, or waited for, that are still known. There may be many, so a list tells none.
pub(crate) async fn after(app: &App, run: RunId) -> Result<Vec<AfterView>, Problem> {
    app.read(move |core| {
        let told = |(id, on): &(RunId, DependsOn)| {
            let (name, ending) = core.state().prerequisite(*id)?;
            let ended = ending.map(vocabulary::of_ending);
            Some(AfterView { run: name.to_owned(), on: vocabulary::depends_on(*on), ended })
        };
        let terms = core.state().run(run).and_then(|run| run.terms.as_ref());
        terms.iter().flat_map(|terms| &terms.after).filter_map(told).collect()
    })
    .await
}

fn started(core: &Core, run: &Run) -> Option<WallMicros> {
    run.elements.placed().take(100).filter_map(|(_, fence)| running_since(core, fence)).min()
}

fn running_since(core: &Core, fence: Fence) -> Option<WallMicros> {
    core.watch().seen(fence).filter(|seen| seen.phase == Phase::Running).map(|seen| seen.at)
}

/// The run of this name.
pub(crate) async fn run(app: &App, workspace: String, name: String) -> Result<LiveRun, Problem> {
    let found = app
        .read(move |core| match core.state().find_run(&workspace, &name) {
            Some((id, run)) => Ok(LiveRun::of(core, id, run)),
            None => Err(Refusal::UnknownRun(name)),
        })
        .await?;
    found.map_err(Problem::from)
}

/// An element of a run that has it.
pub(crate) fn element(run: &LiveRun, element: Option<u32>) -> Result<Slot, Problem> {
    let element = element.unwrap_or(0);
    match element < run.count {
        true => Ok(Slot { run: run.id, element }),
        false => Err(Refusal::UnknownElement { name: run.name.clone(), element, count: run.count }.into()),
    }
}

/// Where one element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// In the queue.
    Waiting,
    /// On a node.
    Placed {
        fence: Fence,
        node: NodeId,
        state: RunState,
        /// When its command started, if it runs and its worker said so.
        started: Option<WallMicros>,
    },
    /// Over, or forgotten.
    Over,
}

/// Where an element is now.
pub(crate) async fn position(app: &App, slot: Slot) -> Result<Position, Problem> {
    app.read(move |core| match core.state().element(slot) {
        Some(ElementState::Waiting(_)) => Position::Waiting,
        Some(ElementState::Placed(fence)) => match core.state().attempt(fence) {
            Some(attempt) => Position::Placed {
                fence,
                node: attempt.node,
                state: vocabulary::of_attempt(core, fence),
                started: running_since(core, fence),
            },
            None => Position::Waiting,
        },
        Some(ElementState::Ended(_)) | None => Position::Over,
    })
    .await
}

/// How far a run has come; with its result once it has ended.
pub(crate) async fn status(
    app: &App,
    workspace: String,
    name: String,
) -> Result<(RunId, RunStatus), Problem> {
    let run = run(app, workspace, name).await?;
    let mut status = RunStatus {
        name: run.name,
        state: run.state,
        count: run.count,
        elements: run.elements,
        exit_code: None,
        result: None,
    };
    if run.state.is_over() && run.count == 1 {
        let attempts = past::attempts(app, Slot { run: run.id, element: 0 }).await?;
        if let Some(last) = attempts.last() {
            status.exit_code = last.exit_code();
            status.result = last.result();
        }
    }
    Ok((run.id, status))
}

/// What an element's accepted attempt was.
pub(crate) fn accepted(attempts: &[PastAttempt]) -> Option<&PastAttempt> {
    attempts.iter().rev().find(|attempt| attempt.accepted)
}

pub(crate) fn need(need: &Need) -> NeedView {
    match need {
        Need::WholeNode => NeedView { whole_node: true, vcpu: 0, memory_mib: 0, gpus: 0.0 },
        Need::Part(part) => NeedView {
            whole_node: false,
            vcpu: part.vcpu,
            memory_mib: part.memory_mib,
            gpus: gpus(part.gpu_milli),
        },
    }
}
