//! Ending runs, and trying them again.

use super::InWorkspace;
use crate::api::Touched;
use crate::app::App;
use crate::problem::Answer;
use crate::relay::Key;
use actix_web::{HttpResponse, post, web};
use serde::Deserialize;
use tidegate_scheduler::Outcome;
use tidegate_scheduler::command::{ClientCommand, RunSelector};
use utoipa::IntoParams;

/// Which element of the run.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// One element, from 0; all when absent.
    element: Option<u32>,
}

/// Ends a run, or one element of it: SIGTERM, and SIGKILL once its grace is over.
///
/// Asked again while it is ending, it answers 0 elements; once it has ended, 409.
#[utoipa::path(tag = "runs", params(("name" = String, Path, description = "The run"), Which, InWorkspace), responses(
    (status = 200, description = "How many elements it touched", body = Touched),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[post("/api/v1/runs/{name}/cancel")]
pub(crate) async fn cancel(
    app: web::Data<App>,
    key: Key,
    name: web::Path<String>,
    which: web::Query<Which>,
    place: web::Query<InWorkspace>,
) -> Answer {
    touch(&app, key, ClientCommand::Cancel(selector(name, &which, &place))).await
}

/// Queues what failed or was cancelled again: all such elements of a run, or one.
///
/// Under another key, what has failed since would be queued once more.
#[utoipa::path(tag = "runs", params(("name" = String, Path, description = "The run"), Which, InWorkspace), responses(
    (status = 200, description = "How many elements it touched", body = Touched),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[post("/api/v1/runs/{name}/retry")]
pub(crate) async fn retry(
    app: web::Data<App>,
    key: Key,
    name: web::Path<String>,
    which: web::Query<Which>,
    place: web::Query<InWorkspace>,
) -> Answer {
    touch(&app, key, ClientCommand::Retry(selector(name, &which, &place))).await
}

fn selector(name: web::Path<String>, which: &Which, place: &InWorkspace) -> RunSelector {
    RunSelector { workspace: place.name(), run: name.into_inner(), element: which.element }
}

async fn touch(app: &App, key: Key, command: ClientCommand) -> Answer {
    let elements = match app.ask(key, command).await? {
        Outcome::Touched { elements } => elements,
        Outcome::Submitted { .. } | Outcome::Controller { .. } | Outcome::Done => 0,
    };
    Ok(HttpResponse::Ok().json(Touched { elements }))
}
