//! Waiting for a run.

use super::InWorkspace;
use crate::api::{Problem, RunState, RunStatus};
use crate::app::App;
use crate::lookup;
use crate::problem::{self, Answer};
use crate::watch::Watcher;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use futures_util::stream;
use serde::Deserialize;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

/// The longest that one request waits.
const LONGEST: Duration = Duration::from_secs(300);

/// What to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Until {
    /// All elements have ended.
    #[default]
    Ended,
    /// A command runs, or all elements have ended.
    Running,
    /// The state is another one than `state`.
    Changed,
}

/// How to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct How {
    /// What to wait for; `ended` when absent.
    #[serde(default)]
    until: Until,
    /// The state that is known already, for `until=changed`.
    state: Option<String>,
    /// Seconds to wait at most; 30 when absent, 300 at most.
    timeout_s: Option<u64>,
}

impl How {
    fn is_met(&self, status: &RunStatus, known: Option<RunState>) -> bool {
        match self.until {
            Until::Ended => status.state.is_over(),
            Until::Running => {
                status.state.is_over() || matches!(status.state, RunState::Running | RunState::Finalizing)
            }
            Until::Changed => Some(status.state) != known,
        }
    }
}

/// Answers once a run has come as far as asked, or once the time is over: `state` tells which.
///
/// With `Accept: text/event-stream` it tells every change as an event `state` instead, until all elements have ended.
#[utoipa::path(tag = "runs", params(("name" = String, Path, description = "The run"), How, InWorkspace), responses(
    (status = 200, description = "How far it has come", content((RunStatus = "application/json"),
     (super::Text = "text/event-stream"))),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/runs/{name}/wait")]
pub(crate) async fn wait(
    app: web::Data<App>,
    request: HttpRequest,
    name: web::Path<String>,
    how: web::Query<How>,
    place: web::Query<InWorkspace>,
) -> Answer {
    let (workspace, name) = (place.name(), name.into_inner());
    let known = how.state.as_deref().map(RunState::from_str).transpose().map_err(problem::bad_request)?;
    let (run, first) = lookup::status(&app, workspace.clone(), name.clone()).await?;
    // Made before the look that counts, so that nothing is missed in between.
    let mut watcher = Watcher::new(&app.controller, run);
    if wants_events(&request) {
        return Ok(events(app, watcher, workspace, name));
    }
    let until =
        Instant::now() + how.timeout_s.map_or(Duration::from_secs(30), Duration::from_secs).min(LONGEST);
    let mut status = first;
    while !how.is_met(&status, known) {
        status = lookup::status(&app, workspace.clone(), name.clone()).await?.1;
        if how.is_met(&status, known) || timeout_at(until, watcher.changed()).await != Ok(true) {
            break;
        }
    }
    Ok(HttpResponse::Ok().json(status))
}

/// Whether the client wants server-sent events.
pub(crate) fn wants_events(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// One server-sent event.
pub(crate) fn event(kind: &str, data: &impl serde::Serialize) -> Bytes {
    Bytes::from(format!("event: {kind}\ndata: {}\n\n", serde_json::json!(data)))
}

fn events(app: web::Data<App>, watcher: Watcher, workspace: String, name: String) -> HttpResponse {
    let told = stream::unfold(Some((watcher, None)), move |going| {
        let (app, workspace, name) = (app.clone(), workspace.clone(), name.clone());
        async move {
            let (mut watcher, last) = going?;
            loop {
                let status = match lookup::status(&app, workspace.clone(), name.clone()).await {
                    Ok((_, status)) => status,
                    Err(problem) => return Some((Ok::<_, Problem>(event("problem", &problem)), None)),
                };
                if last.as_ref() != Some(&status) {
                    let over = status.state.is_over();
                    let told = event("state", &status);
                    return Some((Ok(told), (!over).then_some((watcher, Some(status)))));
                }
                if !watcher.changed().await {
                    return None;
                }
            }
        }
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(told)
}
