//! Giving all nodes back before a stop.

use crate::api::{Drain, DrainView};
use crate::app::App;
use crate::problem::Answer;
use actix_web::{HttpResponse, post, web};
use futures_util::FutureExt;

/// Starts nothing more, and gives every node back once what runs on it has ended; with `force` at once.
///
/// It answers before that: `nodes` of `GET /api/v1/status` tells how many are left. It is the leader that drains: when
/// another one leads, `draining` is false again, and this is to be asked again. A start ends it.
#[utoipa::path(tag = "server", request_body = Drain, responses(
    (status = 202, description = "It has begun", body = DrainView),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[post("/api/v1/drain")]
pub(crate) async fn drain(app: web::Data<App>, how: web::Json<Drain>) -> Answer {
    // It is told now; that it has ended is not waited for here.
    let _drained = app.controller.drain(how.force).now_or_never();
    let view = app
        .read(|core| DrainView { draining: core.is_draining(), nodes: core.state().nodes().count() as u64 })
        .await?;
    Ok(HttpResponse::Accepted().json(view))
}
