//! What runs left behind.

use super::InWorkspace;
use crate::api::{OutputList, OutputView, Problem};
use crate::app::{App, blocking};
use crate::lookup;
use crate::past;
use crate::problem::{self, Answer};
use crate::stream::blob_body;
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use tidegate_scheduler::ids::Slot;
use tidegate_store::{Digest, Tree, TreeKind};
use utoipa::IntoParams;

/// Which element's outputs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The element; 0 when absent.
    element: Option<u32>,
}

/// The outputs that a run left behind; of the attempt that was accepted as its result, also if it failed.
#[utoipa::path(tag = "runs", params(("name" = String, Path, description = "The run"), Which, InWorkspace), responses(
    (status = 200, description = "Them", body = OutputList),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/runs/{name}/outputs")]
pub(crate) async fn list(
    app: web::Data<App>,
    name: web::Path<String>,
    which: web::Query<Which>,
    place: web::Query<InWorkspace>,
) -> Answer {
    let (run, slot, outputs) = outputs(&app, name.into_inner(), &which, &place).await?;
    let mut items = Vec::new();
    for (name, digest) in outputs {
        let tree = tree(&app, digest).await?;
        let (files, bytes) = (tree.files().count() as u64, tree.total_bytes());
        items.push(OutputView { name, tree: digest.to_string(), files, bytes });
    }
    Ok(HttpResponse::Ok().json(OutputList { run, element: slot.element, items }))
}

/// One file of an output, or, without a file, what is in the output: paths with kinds, sizes and digests.
///
/// The path is the output's name, then the file's path in it: `default/outputs/model.pkl`.
#[utoipa::path(tag = "runs", params(("name" = String, Path, description = "The run"),
    ("path" = String, Path, description = "The output's name, and the file's path in it"), Which, InWorkspace), responses(
    (status = 200, description = "The file's bytes, or the output's list", content(
        (Vec<u8> = "application/octet-stream"), (super::Text = "application/json"))),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/runs/{name}/outputs/{path:.*}")]
pub(crate) async fn file(
    app: web::Data<App>,
    at: web::Path<(String, String)>,
    which: web::Query<Which>,
    place: web::Query<InWorkspace>,
) -> Answer {
    let (name, path) = at.into_inner();
    let (output, file) = path.split_once('/').unwrap_or((&path, ""));
    let (run, _, outputs) = outputs(&app, name, &which, &place).await?;
    let Some((_, digest)) = outputs.iter().find(|(name, _)| name == output) else {
        let names: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
        let has =
            if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        return Err(problem::not_found(format!("run {run} has no output `{output}`; {has}")));
    };
    let tree = tree(&app, *digest).await?;
    let file = file.trim_end_matches('/');
    if file.is_empty() {
        return Ok(HttpResponse::Ok().json(tree.entries()));
    }
    let content = match tree.get(file) {
        Some(TreeKind::File { digest, .. }) => *digest,
        Some(TreeKind::Dir) => return Err(problem::not_found(format!("`{file}` of {output} is a folder"))),
        Some(TreeKind::Symlink { target }) => {
            return Err(problem::not_found(format!("`{file}` of {output} is a link to `{target}`")));
        }
        None => return Err(problem::not_found(format!("output {output} of run {run} has no file `{file}`"))),
    };
    let opened = blob_body(&app, content, 0).await?;
    let (length, body) = opened.ok_or_else(|| problem::internal(format!("blob {content} is not stored")))?;
    Ok(HttpResponse::Ok().content_type("application/octet-stream").no_chunking(length).streaming(body))
}

type Outputs = (String, Slot, Vec<(String, Digest)>);

async fn outputs(app: &App, name: String, which: &Which, place: &InWorkspace) -> Result<Outputs, Problem> {
    let run = lookup::run(app, place.name(), name).await?;
    let slot = lookup::element(&run, which.element)?;
    let attempts = past::attempts(app, slot).await?;
    let outputs = lookup::accepted(&attempts).map(|attempt| attempt.outputs()).unwrap_or_default();
    Ok((run.name, slot, outputs))
}

async fn tree(app: &App, digest: Digest) -> Result<Tree, Problem> {
    let bytes = app.controller.blobs().get(digest).await?;
    let bytes = bytes.ok_or_else(|| problem::internal(format!("blob {digest} is not stored")))?;
    blocking(move || Tree::decode(&bytes).map_err(problem::internal)).await
}
