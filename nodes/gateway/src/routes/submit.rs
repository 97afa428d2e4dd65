//! Submitting one run.

use crate::api::{Problem, SubmitAnswer, SubmitRequest};
use crate::app::{App, blocking};
use crate::problem::Answer;
use crate::relay::Key;
use crate::submission::{self, Reference, Submission};
use actix_web::{HttpResponse, post, web};
use tidegate_controller::ReplicatedBlobs;
use tidegate_scheduler::Outcome;
use tidegate_scheduler::command::ClientCommand;
use tidegate_store::{Digest, StoreError, Tree};

/// Queues a run. Once this answers, the run is durable.
///
/// The name is the idempotency key: the same run sent again is answered 200, another one of the same name 409.
#[utoipa::path(tag = "runs", request_body = SubmitRequest, responses(
    (status = 201, description = "It is queued", body = SubmitAnswer),
    (status = 200, description = "It was queued before", body = SubmitAnswer),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[post("/api/v1/runs")]
pub(crate) async fn submit_run(app: web::Data<App>, key: Key, request: web::Json<SubmitRequest>) -> Answer {
    let answer = one(&app, key, 0, request.into_inner()).await?;
    let mut response = if answer.known { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(response.insert_header(("Location", answer.url.clone())).json(answer))
}

/// Checks and queues one run, which is the request's at this position.
pub(crate) async fn one(
    app: &App,
    key: Key,
    position: usize,
    request: SubmitRequest,
) -> Result<SubmitAnswer, Problem> {
    let Submission { submit, needs } = submission::read(request, || key.run_name(position))?;
    let blobs = app.controller.blobs();
    for need in &needs {
        check(blobs, need).await.map_err(|problem| problem.at(&need.key))?;
    }
    let (name, workspace) = (submit.name.clone(), submit.workspace.clone());
    let outcome = app.ask(key, ClientCommand::Submit(Box::new(submit))).await?;
    let known = matches!(outcome, Outcome::Submitted { known: true, .. });
    let url = format!("/api/v1/runs/{name}?workspace={workspace}");
    Ok(SubmitAnswer { name, workspace, known, url })
}

/// Whether what the job refers to is stored, with all that is in it.
async fn check(blobs: &ReplicatedBlobs, need: &Reference) -> Result<(), Problem> {
    let digest = need.digest;
    if !need.tree {
        return hold(blobs, vec![digest]).await;
    }
    let bytes = blobs.get(digest).await?.ok_or_else(|| lacking(&digest))?;
    let tree = Tree::decode(&bytes).map_err(|error| {
        Problem::new(422, "not-a-tree", "The content is no folder", format!("blob {digest}: {error}"))
    })?;
    let mut digests = tree.contents();
    digests.push(digest);
    hold(blobs, digests).await
}

/// Keeps these until the run is queued, on a majority of controllers: a put that failed may have reached one alone. What this controller lacks another one may have; the first that nobody has is
/// the client's to put.
async fn hold(blobs: &ReplicatedBlobs, digests: Vec<Digest>) -> Result<(), Problem> {
    let local = blobs.local().clone();
    let asked = digests.clone();
    let missing = blocking::<_, StoreError>(move || local.hold(&asked)).await?;
    for digest in missing {
        if !blobs.hold(vec![digest]).await?.is_empty() {
            return Err(lacking(&digest));
        }
    }
    blobs.spread(&digests).await?;
    Ok(())
}

fn lacking(digest: &Digest) -> Problem {
    let detail = format!("blob {digest} is not stored here; put it first: `PUT /api/v1/blobs/{digest}`");
    Problem::new(400, "missing-blob", "Content that the run needs is not stored", detail)
}
