//! What runs print.

use super::InWorkspace;
use super::wait::{event, wants_events};
use crate::app::App;
use crate::log_tail::{LogTail, Printed};
use crate::lookup;
use crate::problem::{self, Answer};
use crate::stream::body_of;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use std::io;
use tidegate_store::wire::LogStream;
use tokio::sync::mpsc;
use utoipa::IntoParams;

/// Pieces that wait for a slow client.
const WAITING: usize = 16;

/// Which log, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// `stdout`, `stderr` or `both`; `both` when absent.
    stream: Option<String>,
    /// The element; 0 when absent.
    element: Option<u32>,
    /// Go on with what is printed later, until the run has ended; from its start if it still waits.
    #[serde(default)]
    follow: bool,
}

/// What a run has printed: of its latest attempt.
///
/// With `follow`, all that it prints until it has ended, and that of later attempts; nothing is left out where the live
/// log gives way to the stored one. Of `both`, the two are told apart only as server-sent events (`Accept:
/// text/event-stream`): `stdout` and `stderr` with `{"text"}`, `attempt` with `{"stream", "fence"}`, `problem`, `end`.
#[utoipa::path(tag = "runs", params(("name" = String, Path, description = "The run"), Which, InWorkspace), responses(
    (status = 200, description = "What it prints", content((super::Text = "text/plain"), (super::Text = "text/event-stream"))),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/runs/{name}/logs")]
pub(crate) async fn logs(
    app: web::Data<App>,
    request: HttpRequest,
    name: web::Path<String>,
    which: web::Query<Which>,
    place: web::Query<InWorkspace>,
) -> Answer {
    let streams: &[LogStream] = match which.stream.as_deref() {
        None | Some("both") => &[LogStream::Stdout, LogStream::Stderr],
        Some("stdout") => &[LogStream::Stdout],
        Some("stderr") => &[LogStream::Stderr],
        Some(_) => return Err(problem::bad_request("`stream` is `stdout`, `stderr` or `both`")),
    };
    let run = lookup::run(&app, place.name(), name.into_inner()).await?;
    let slot = lookup::element(&run, which.element)?;
    let (printed, arriving) = mpsc::channel(WAITING);
    let tails =
        streams.iter().map(|stream| LogTail::new(app.clone(), slot, *stream, which.follow, printed.clone()));
    let tails: Vec<LogTail> = tails.collect();
    drop(printed);
    if which.follow {
        // Both at once, as they are printed.
        tails.into_iter().for_each(|tail| drop(actix_web::rt::spawn(tail.run())));
    } else {
        actix_web::rt::spawn(async move {
            for tail in tails {
                tail.run().await;
            }
        });
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(match wants_events(&request) {
        true => {
            let end = futures_util::stream::once(async { Ok(event("end", &json!({}))) });
            response.content_type("text/event-stream").streaming(body_of(arriving).map(as_event).chain(end))
        }
        false => {
            let text = body_of(arriving).filter_map(|printed| std::future::ready(as_text(printed)));
            response.content_type("text/plain; charset=utf-8").streaming(text)
        }
    })
}

fn as_text(printed: Printed) -> Option<io::Result<Bytes>> {
    match printed {
        Printed::Bytes { bytes, .. } => Some(Ok(bytes)),
        Printed::Attempt { .. } => None,
        // The body breaks off: a client that did not hear its end knows that something is missing.
        Printed::Failed(problem) => Some(Err(io::Error::other(problem.to_string()))),
    }
}

fn as_event(printed: Printed) -> io::Result<Bytes> {
    let name = |stream| match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
    };
    Ok(match printed {
        Printed::Bytes { stream, bytes } => {
            event(name(stream), &json!({"text": String::from_utf8_lossy(&bytes)}))
        }
        Printed::Attempt { stream, fence } => {
            event("attempt", &json!({"stream": name(stream), "fence": fence.to_string()}))
        }
        Printed::Failed(problem) => event("problem", &problem),
    })
}
