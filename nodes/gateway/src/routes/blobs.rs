//! Content by its digest: what runs read, and what they left behind.

use crate::api::{MissingBlobs, Problem};
use crate::app::{App, blocking};
use crate::problem::{self, Answer};
use crate::stream::{Pieces, blob_body};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, head, post, put, web};
use futures_util::StreamExt;
use std::str::FromStr;
use tidegate_store::Digest;
use tokio::sync::mpsc;

/// Digests in one question.
const AT_MOST: usize = 4096;
/// Pieces of a body that may wait for the disk.
const PIECES_WAITING: usize = 8;

/// Which of these blobs are not stored.
#[utoipa::path(tag = "blobs", request_body = MissingBlobs, responses(
    (status = 200, description = "Those that are not", body = MissingBlobs),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[post("/api/v1/blobs:missing")]
pub(crate) async fn missing(app: web::Data<App>, asked: web::Json<MissingBlobs>) -> Answer {
    if asked.digests.len() > AT_MOST {
        return Err(problem::too_large(format!("at most {AT_MOST} digests in one question")).at("digests"));
    }
    let digests: Vec<Digest> = asked.digests.iter().map(|text| digest(text)).collect::<Result<_, _>>()?;
    let blobs = app.controller.blobs().local().clone();
    let missing = blocking(move || blobs.missing(&digests)).await?;
    Ok(HttpResponse::Ok().json(MissingBlobs { digests: missing.iter().map(Digest::to_string).collect() }))
}

/// Stores a blob. Once this answers, it is durable on a majority of the controllers. Content of another digest is refused, and nothing of it kept.
///
/// A blob that no run refers to may be removed after a day.
#[utoipa::path(tag = "blobs", params(("digest" = String, Path, description = "`sha256-` and 64 hexadecimal digits")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 201, description = "It is stored"),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[put("/api/v1/blobs/{digest}")]
pub(crate) async fn put(
    app: web::Data<App>,
    request: HttpRequest,
    name: web::Path<String>,
    mut body: web::Payload,
) -> Answer {
    let digest = digest(&name)?;
    let limit = app.config.limits.blob;
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > limit) {
        return Err(problem::too_large(format!("a blob has at most {limit} bytes")));
    }
    let (pieces, arriving) = mpsc::channel(PIECES_WAITING);
    let storing = app.controller.blobs().put_stream(Pieces::new(arriving), Some(digest), limit);
    let feeding = async {
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| std::io::Error::other(error.to_string()));
            // The store has stopped reading: its answer tells why.
            if pieces.send(piece).await.is_err() {
                break;
            }
        }
        drop(pieces);
    };
    let (stored, ()) = futures_util::join!(storing, feeding);
    stored?;
    Ok(HttpResponse::Created().finish())
}

/// A blob.
#[utoipa::path(tag = "blobs", params(("digest" = String, Path, description = "`sha256-` and 64 hexadecimal digits")), responses(
    (status = 200, description = "Its bytes", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/blobs/{digest}")]
pub(crate) async fn get(app: web::Data<App>, name: web::Path<String>) -> Answer {
    let digest = digest(&name)?;
    let (length, body) = blob_body(&app, digest, 0).await?.ok_or_else(|| not_stored(&digest))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, format!("\"{digest}\"")))
        .content_type("application/octet-stream")
        .no_chunking(length)
        .streaming(body))
}

/// Whether a blob is stored, and its size.
#[utoipa::path(tag = "blobs", params(("digest" = String, Path, description = "`sha256-` and 64 hexadecimal digits")), responses(
    (status = 200, description = "It is"),
    (status = "4XX", description = "It is not, or a problem"),
))]
#[head("/api/v1/blobs/{digest}")]
pub(crate) async fn head(app: web::Data<App>, name: web::Path<String>) -> Answer {
    let digest = digest(&name)?;
    let opened = app.controller.blobs().open_blob(digest).await?;
    let length = opened.ok_or_else(|| not_stored(&digest))?.len();
    Ok(HttpResponse::Ok()
        .no_chunking(length)
        .streaming(futures_util::stream::empty::<Result<web::Bytes, Problem>>()))
}

fn digest(text: &str) -> Result<Digest, Problem> {
    Digest::from_str(text).map_err(|error| problem::bad_request(error.to_string()))
}

fn not_stored(digest: &Digest) -> Problem {
    Problem::new(
        404,
        "unknown-blob",
        "The blob is not stored here",
        format!("there is no blob {digest} here"),
    )
}
