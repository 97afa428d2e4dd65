//! Workspaces.

use crate::api::{Page, WorkspaceLimits, WorkspaceView};
use crate::app::App;
use crate::problem::{Answer, not_found};
use crate::relay::Key;
use actix_web::{HttpResponse, get, put, web};
use tidegate_scheduler::command::{ClientCommand, RunLimits};
use tidegate_scheduler::state::workspaces::Workspace;

/// Every workspace, with how many runs it has and may have.
#[utoipa::path(tag = "workspaces", responses(
    (status = 200, description = "All of them", body = Page<WorkspaceView>),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/workspaces")]
pub(crate) async fn list(app: web::Data<App>) -> Answer {
    let views = app.read(|core| core.state().workspaces().map(view).collect::<Vec<_>>()).await?;
    Ok(HttpResponse::Ok().json(Page::whole(views)))
}

/// Sets how many runs a workspace may have; makes it if there is none.
///
/// A limit that is absent is lifted. One below what there is is legal: nothing new starts, or is taken, until runs end.
#[utoipa::path(tag = "workspaces", params(("name" = String, Path, description = "The workspace")),
    request_body = WorkspaceLimits, responses(
    (status = 200, description = "It as it is now", body = WorkspaceView),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[put("/api/v1/workspaces/{name}")]
pub(crate) async fn put(
    app: web::Data<App>,
    key: Key,
    name: web::Path<String>,
    wanted: web::Json<WorkspaceLimits>,
) -> Answer {
    let (workspace, WorkspaceLimits { max_running, max_open }) = (name.into_inner(), wanted.into_inner());
    let limits = RunLimits { max_running, max_open };
    app.ask(key, ClientCommand::SetWorkspace { workspace: workspace.clone(), limits }).await?;
    let found = app
        .read(move |core| match core.state().workspaces().find(|known| *known.name == *workspace) {
            Some(known) => Ok(view(known)),
            None => Err(not_found(format!("there is no workspace {workspace}"))),
        })
        .await?;
    Ok(HttpResponse::Ok().json(found?))
}

fn view(workspace: &Workspace) -> WorkspaceView {
    let RunLimits { max_running, max_open } = workspace.limits;
    WorkspaceView {
        name: workspace.name.to_string(),
        running: workspace.running,
        open: workspace.open,
        max_running,
        max_open,
    }
}
