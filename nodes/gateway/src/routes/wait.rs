//! Waiting for a run.

use super::InWorkspace;
use crate::api::{Problem, RunState, RunStatus};
use crate::app::App;
use crate::lookup;
use crate::problem::{self, Answer};
use crate::watch::Watcher;
use crate::{relay, sse};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, web};
use futures_util::future::LocalBoxFuture;
use futures_util::stream;
use serde::Deserialize;
use std::str::FromStr;
use std::time::Duration;
use tidegate_scheduler::Refusal;
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
/// With `Accept: text/event-stream` it tells every change as an event `state` instead, until all elements have ended. When
/// leadership moves the stream ends before that, with word to ask again.
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
    if sse::are_wanted(&request) {
        return Ok(events(app, watcher, workspace, name));
    }
    let mut moves = std::pin::pin!(relay::moves(&app.controller));
    let until =
        Instant::now() + how.timeout_s.map_or(Duration::from_secs(30), Duration::from_secs).min(LONGEST);
    let mut status = first;
    while !how.is_met(&status, known) {
        status = lookup::status(&app, workspace.clone(), name.clone()).await?.1;
        if how.is_met(&status, known) {
            break;
        }
        tokio::select! {
            changed = timeout_at(until, watcher.changed()) => if changed != Ok(true) { break },
            // The next leader knows more, and is asked in the same way.
            () = &mut moves => return Err(Refusal::NotLeader.into()),
        }
    }
    Ok(HttpResponse::Ok().json(status))
}

/// What has been told, and what may come.
struct Told {
    watcher: Watcher,
    moves: LocalBoxFuture<'static, ()>,
    last: Option<RunStatus>,
}

fn events(app: web::Data<App>, watcher: Watcher, workspace: String, name: String) -> HttpResponse {
    let controller = app.controller.clone();
    let moves = Box::pin(async move { relay::moves(&controller).await });
    let told = stream::unfold(Some(Told { watcher, moves, last: None }), move |going| {
        let (app, workspace, name) = (app.clone(), workspace.clone(), name.clone());
        async move {
            let mut told = going?;
            let silent = Instant::now() + sse::SILENCE;
            loop {
                let status = match lookup::status(&app, workspace.clone(), name.clone()).await {
                    Ok((_, status)) => status,
                    Err(problem) => return Some((Ok::<_, Problem>(sse::event("problem", &problem)), None)),
                };
                if told.last.as_ref() != Some(&status) {
                    let over = status.state.is_over();
                    let event = sse::event("state", &status);
                    told.last = Some(status);
                    return Some((Ok(event), (!over).then_some(told)));
                }
                tokio::select! {
                    changed = timeout_at(silent, told.watcher.changed()) => match changed {
                        Ok(true) => {}
                        Ok(false) => return None,
                        Err(_) => return Some((Ok(sse::nothing()), Some(told))),
                    },
                    () = &mut told.moves => return Some((Ok(sse::come_again()), None)),
                }
            }
        }
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(told)
}
