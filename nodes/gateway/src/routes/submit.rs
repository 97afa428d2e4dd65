//! Submitting one run.

use crate::api::{Problem, SubmitAnswer, SubmitRequest};
use crate::app::{App, blocking};
use crate::problem::Answer;
use crate::submission::{self, Reference, Submission};
use actix_web::{HttpResponse, post, web};
use tidegate_scheduler::Outcome;
use tidegate_scheduler::command::ClientCommand;
use tidegate_store::{BlobStore, Digest, StoreError, Tree};

/// Queues a run. Once this answers, the run is durable.
///
/// The name is the idempotency key: the same run sent again is answered 200, another one of the same name 409.
#[utoipa::path(tag = "runs", request_body = SubmitRequest, responses(
    (status = 201, description = "It is queued", body = SubmitAnswer),
    (status = 200, description = "It was queued before", body = SubmitAnswer),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[post("/api/v1/runs")]
pub(crate) async fn submit_run(app: web::Data<App>, request: web::Json<SubmitRequest>) -> Answer {
    let answer = one(&app, request.into_inner()).await?;
    let mut response = if answer.known { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(response.insert_header(("Location", answer.url.clone())).json(answer))
}

/// Checks and queues one run.
pub(crate) async fn one(app: &App, request: SubmitRequest) -> Result<SubmitAnswer, Problem> {
    let Submission { submit, needs } = submission::read(request)?;
    if !needs.is_empty() {
        let blobs = app.controller.blobs().clone();
        let lacking = blocking(move || first_lacking(&blobs, &needs)).await?;
        if let Some(problem) = lacking {
            return Err(problem);
        }
    }
    let (name, workspace) = (submit.name.clone(), submit.workspace.clone());
    let outcome = app.ask(ClientCommand::Submit(Box::new(submit))).await?;
    let known = matches!(outcome, Outcome::Submitted { known: true, .. });
    let url = format!("/api/v1/runs/{name}?workspace={workspace}");
    Ok(SubmitAnswer { name, workspace, known, url })
}

/// What the job refers to and the store does not have.
fn first_lacking(blobs: &BlobStore, needs: &[Reference]) -> Result<Option<Problem>, StoreError> {
    for Reference { key, digest, tree } in needs {
        let problem = match tree {
            false => blobs.len(digest)?.is_none().then(|| lacking(digest)),
            true => tree_lacks(blobs, digest)?,
        };
        if let Some(problem) = problem {
            return Ok(Some(problem.at(key)));
        }
    }
    Ok(None)
}

fn tree_lacks(blobs: &BlobStore, digest: &Digest) -> Result<Option<Problem>, StoreError> {
    let Some(bytes) = blobs.get(digest)? else { return Ok(Some(lacking(digest))) };
    Ok(match Tree::decode(&bytes) {
        Ok(tree) => blobs.missing(&tree.contents())?.first().map(lacking),
        Err(error) => Some(Problem::new(
            422,
            "not-a-tree",
            "The content is no folder",
            format!("blob {digest}: {error}"),
        )),
    })
}

fn lacking(digest: &Digest) -> Problem {
    let detail = format!("blob {digest} is not stored here; put it first: `PUT /api/v1/blobs/{digest}`");
    Problem::new(400, "missing-blob", "Content that the run needs is not stored", detail)
}
