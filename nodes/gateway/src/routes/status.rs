//! How the server does.

use super::controllers;
use crate::api::StatusView;
use crate::app::App;
use crate::problem::Answer;
use crate::vocabulary;
use actix_web::{HttpResponse, get, web};

/// How the server does, and how much work it has.
#[utoipa::path(tag = "server", responses(
    (status = 200, description = "How it does", body = StatusView),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/status")]
pub(crate) async fn status(app: web::Data<App>) -> Answer {
    let data = app.controller.folder().display().to_string();
    let uptime_seconds = app.started.elapsed().as_secs_f64();
    let view = app
        .read(move |core| {
            let state = core.state();
            let queues = state.pools().filter_map(|(id, _)| core.index().queue(id));
            StatusView {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                data,
                controller: core.id().0,
                leader: core.is_leading(),
                term: core.term(),
                controllers: controllers::views(core),
                draining: core.is_draining(),
                applied: state.applied(),
                uptime_seconds,
                refusing: core.pressure().map(str::to_owned),
                pools: state.pools().count() as u64,
                nodes: vocabulary::node_counts(core, state.nodes()),
                open_runs: state.runs().len() as u64 - state.runs().ended(),
                ended_runs: state.runs().ended(),
                queued_elements: queues.map(|queue| queue.waiting()).sum(),
                running_elements: state.attempts().count() as u64,
            }
        })
        .await?;
    Ok(HttpResponse::Ok().json(view))
}
