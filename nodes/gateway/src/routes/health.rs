//! Whether the server is there, and what it can do.

use crate::app::App;
use crate::problem::{self, Answer};
use actix_web::{HttpResponse, get, web};

/// Whether the process answers. Needs no token.
#[utoipa::path(tag = "server", security(()), responses((status = 200, description = "It does")))]
#[get("/healthz")]
pub(crate) async fn healthz() -> HttpResponse {
    healthy()
}

/// That the process answers.
pub(crate) fn healthy() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// Whether requests would be served: this controller has read back what it had stored, is of its cluster, and knows who
/// leads. Needs no token.
#[utoipa::path(tag = "server", security(()), responses(
    (status = 200, description = "They would"),
    (status = 503, description = "They would not", body = crate::routes::ProblemBody),
))]
#[get("/readyz")]
pub(crate) async fn readyz(app: web::Data<App>) -> Answer {
    let (member, leader) = app.read(|core| (core.members().contains(core.id().0), core.leader())).await?;
    match (member, leader) {
        (true, Some(_)) => Ok(HttpResponse::Ok().content_type("text/plain").body("ready\n")),
        (true, None) => Err(problem::no_leader("this controller knows of no leader now")),
        (false, _) => Err(problem::no_leader("this controller is not, or not yet, a member of its cluster")),
    }
}

/// This description.
#[utoipa::path(tag = "server", responses(
    (status = 200, description = "OpenAPI 3.1 in JSON"),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/openapi.json")]
pub(crate) async fn openapi(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(&*app.openapi)
}
