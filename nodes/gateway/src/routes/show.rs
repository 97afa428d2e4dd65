//! One run in full.

use super::InWorkspace;
use crate::api::{AttemptView, RunDetails, RunSummary, Timestamp};
use crate::app::App;
use crate::lookup::{self, LiveRun, Position};
use crate::past::{self, PastAttempt};
use crate::problem::Answer;
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use tidegate_scheduler::message::End;
use tidegate_store::RunRow;
use utoipa::IntoParams;

/// Which element's attempts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Whose attempts and outputs to show; 0 when absent.
    element: Option<u32>,
}

/// All that is known of a run.
#[utoipa::path(tag = "runs", params(("name" = String, Path, description = "The run"), Which, InWorkspace), responses(
    (status = 200, description = "The run", body = RunDetails),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/runs/{name}")]
pub(crate) async fn show(
    app: web::Data<App>,
    name: web::Path<String>,
    which: web::Query<Which>,
    place: web::Query<InWorkspace>,
) -> Answer {
    let run = lookup::run(&app, place.name(), name.into_inner()).await?;
    let slot = lookup::element(&run, which.element)?;
    let position = lookup::position(&app, slot).await?;
    let (past, body) = past::run(&app, run.id).await?;
    let job: Value = serde_json::from_slice(&body).map_err(crate::problem::internal)?;
    let attempts = past::attempts(&app, slot).await?;
    let mut details = details(&run, slot.element, job, &past, &attempts, position);
    details.after = lookup::after(&app, run.id).await?;
    details.notes.splice(0..0, past::in_the_queue(&app, run.id).await?);
    Ok(HttpResponse::Ok().json(details))
}

fn details(
    run: &LiveRun,
    element: u32,
    job: Value,
    past: &RunRow,
    attempts: &[PastAttempt],
    position: Position,
) -> RunDetails {
    let accepted = lookup::accepted(attempts);
    RunDetails {
        summary: summary(run, past),
        description: job.get("description").and_then(Value::as_str).map(str::to_owned),
        tags: labels(&job, "tags"),
        properties: labels(&job, "properties"),
        priority: run.priority,
        band: run.band,
        team: run.team.clone(),
        after: Vec::new(),
        max_concurrent: run.max_concurrent,
        need: lookup::need(&run.need),
        retries: run.retries,
        grace_seconds: run.grace.0 as f64 / 1000.0,
        element,
        attempts: attempts.iter().map(|attempt| view(attempt, position)).collect(),
        outputs: accepted.map(PastAttempt::outputs).into_iter().flatten().map(|(name, _)| name).collect(),
        notes: attempts.last().map(|attempt| attempt.notes.clone()).unwrap_or_default(),
        job,
    }
}

/// What a list shows of a run.
pub(crate) fn summary(run: &LiveRun, past: &RunRow) -> RunSummary {
    let end = past.report.as_ref().map(|report| &report.end).filter(|_| run.state.is_over());
    let reason = past.reason.clone().filter(|_| run.state.is_over());
    RunSummary {
        name: run.name.clone(),
        display_name: past.display_name.clone(),
        workspace: run.workspace.clone(),
        experiment: past.submit.experiment.clone(),
        pool: run.pool.clone(),
        state: run.state,
        count: run.count,
        elements: run.elements,
        submitted_at: Timestamp::of(run.submitted),
        started_at: past.started.or(run.started).and_then(Timestamp::of),
        ended_at: past.ended.filter(|_| run.state.is_over()).and_then(Timestamp::of),
        exit_code: end.and_then(past::exit_code),
        result: reason.or_else(|| end.map(End::to_string)),
    }
}

fn labels(job: &Value, key: &str) -> BTreeMap<String, Option<String>> {
    let labels = job.get(key).and_then(Value::as_object).into_iter().flatten();
    labels.map(|(name, value)| (name.clone(), value.as_str().map(str::to_owned))).collect()
}

fn view(attempt: &PastAttempt, position: Position) -> AttemptView {
    let (live, since) = match position {
        Position::Placed { fence, state, started, .. } if fence == attempt.fence => (Some(state), started),
        Position::Placed { .. } | Position::Waiting | Position::Over => (None, None),
    };
    AttemptView {
        attempt: attempt.attempt,
        fence: attempt.fence.to_string(),
        node: attempt.node.to_string(),
        state: live.unwrap_or_else(|| attempt.state()),
        started_at: attempt.started.or(since).and_then(Timestamp::of),
        ended_at: attempt.ended.and_then(Timestamp::of),
        result: attempt.result(),
        exit_code: attempt.exit_code(),
        cpu_seconds: attempt.cpu_micros.map(|micros| micros as f64 / 1e6),
        max_rss_mib: attempt.max_rss_kib.map(|kib| kib as f64 / 1024.0),
        environment: attempt
            .artifacts
            .as_ref()
            .map(|left| left.environment.clone())
            .filter(|text| !text.is_empty()),
        confinement: attempt
            .artifacts
            .as_ref()
            .map(|left| left.confinement.clone())
            .filter(|text| !text.is_empty()),
    }
}
