//! Submitting many runs in one request.

use super::submit;
use crate::api::{BatchAnswer, BatchItem, BatchSubmit};
use crate::app::{App, json_problem};
use crate::problem::{self, Answer};
use crate::relay::Key;
use actix_web::{HttpRequest, HttpResponse, post, web};
use futures_util::stream::{self, StreamExt, TryStreamExt};

/// Runs in one request.
const AT_MOST: usize = 10_000;
/// Runs that are asked for at once: they share entries of the log, and their one sync.
const AT_ONCE: usize = 1024;

/// Queues many runs; each is accepted or refused by itself.
///
/// Once this answers, every accepted run is durable. Sent again, it adds nothing to what was accepted before.
#[utoipa::path(tag = "runs", request_body = BatchSubmit, responses(
    (status = 200, description = "What came of each, in the order sent", body = BatchAnswer),
    (status = "4XX", description = "A problem with the request as a whole", body = crate::routes::ProblemBody,
     content_type = "application/problem+json"),
))]
#[post("/api/v1/runs:batch")]
pub(crate) async fn submit_batch(
    app: web::Data<App>,
    key: Key,
    request: HttpRequest,
    body: web::Payload,
) -> Answer {
    let limit = app.config.limits.batch;
    let Ok(read) = body.to_bytes_limited(limit).await else {
        return Err(problem::too_large(format!("a batch takes at most {limit} bytes; send several")));
    };
    let bytes = read.map_err(|error| problem::bad_request(format!("the body cannot be read: {error}")))?;
    let batch: BatchSubmit = serde_json::from_slice(&bytes)
        .map_err(|error| json_problem(actix_web::error::JsonPayloadError::Deserialize(error), &request))?;
    if batch.runs.len() > AT_MOST {
        let detail =
            format!("{} runs are more than {AT_MOST}; send several batches, or one array", batch.runs.len());
        return Err(problem::too_large(detail).at("runs"));
    }
    let app = &app;
    let asked = batch.runs.into_iter().enumerate().map(|(position, run)| async move {
        match submit::one(app, key, position, run).await {
            Ok(answer) => Ok(BatchItem::Accepted(answer)),
            // The whole batch is asked of the next leader, which knows what was accepted.
            Err(problem) if problem::is_lost(&problem) => Err(problem),
            Err(problem) => Ok(BatchItem::Refused { problem }),
        }
    });
    let runs = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    Ok(HttpResponse::Ok().json(BatchAnswer { runs }))
}
