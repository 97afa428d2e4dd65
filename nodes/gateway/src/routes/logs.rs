//! What runs print.

use super::InWorkspace;
use crate::app::App;
use crate::log_tail::{How, LogTail, Printed};
use crate::lookup;
use crate::past;
use crate::problem::{self, Answer};
use crate::sse;
use crate::stream::body_of;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use std::convert::Infallible;
use std::io;
use tidegate_store::wire::LogStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
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
    /// Bytes to leave out at the beginning: to go on where a connection broke off. Of one stream alone.
    #[serde(default)]
    offset: u64,
}

/// What a run has printed: of its latest attempt.
///
/// With `follow`, all that it prints until it has ended, and that of later attempts; nothing is left out where the live
/// log gives way to the stored one. Of `both`, the two are told apart only as server-sent events (`Accept:
/// text/event-stream`): `stdout` and `stderr` with `{"text"}`, `attempt` with `{"stream", "fence"}`, `problem`, `end`.
///
/// When leadership moves, it breaks off: text before its end, events with word to ask again, and without `end`.
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
    if which.offset > 0 && streams.len() > 1 {
        return Err(problem::bad_request("`offset` needs `stream=stdout` or `stream=stderr`"));
    }
    past::is_whole(&app)?;
    let how = How { follow: which.follow, skip: which.offset };
    let run = lookup::run(&app, place.name(), name.into_inner()).await?;
    let slot = lookup::element(&run, which.element)?;
    let (printed, arriving) = mpsc::channel(WAITING);
    let tails = streams.iter().map(|stream| LogTail::new(app.clone(), slot, *stream, how, printed.clone()));
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
    Ok(match sse::are_wanted(&request) {
        true => response.content_type("text/event-stream").streaming(events(arriving)),
        false => {
            let text = body_of(arriving).filter_map(|printed| std::future::ready(as_text(printed)));
            response.content_type("text/plain; charset=utf-8").streaming(text)
        }
    })
}

fn events(arriving: mpsc::Receiver<Printed>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let cut = [Cut::default(), Cut::default()];
    stream::unfold(Some((arriving, cut)), |going| async move {
        let (mut arriving, mut cut) = going?;
        Some(match timeout(sse::SILENCE, arriving.recv()).await {
            Ok(Some(Printed::Moved)) => (Ok(sse::come_again()), None),
            Ok(Some(printed)) => (Ok(as_event(printed, &mut cut)), Some((arriving, cut))),
            Ok(None) => (Ok(sse::event("end", &json!({}))), None),
            Err(_) => (Ok(sse::nothing()), Some((arriving, cut))),
        })
    })
}

fn as_text(printed: Printed) -> Option<io::Result<Bytes>> {
    match printed {
        Printed::Bytes { bytes, .. } => Some(Ok(bytes)),
        Printed::Attempt { .. } => None,
        // The body breaks off: a client that did not hear its end knows that something is missing.
        Printed::Failed(problem) => Some(Err(io::Error::other(problem.to_string()))),
        Printed::Moved => Some(Err(io::Error::other("leadership has moved"))),
    }
}

fn as_event(printed: Printed, cut: &mut [Cut; 2]) -> Bytes {
    match printed {
        Printed::Bytes { stream, bytes } => {
            let text = cut[stream as usize].whole(&bytes);
            sse::event(name(stream), &json!({ "text": text }))
        }
        Printed::Attempt { stream, fence } => {
            sse::event("attempt", &json!({"stream": name(stream), "fence": fence.to_string()}))
        }
        Printed::Failed(problem) => sse::event("problem", &problem),
        Printed::Moved => sse::come_again(),
    }
}

fn name(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
    }
}

/// The beginning of a character whose rest comes with the next piece.
#[derive(Default)]
struct Cut(Vec<u8>);

impl Cut {
    /// The text of a piece, without a last character that is not whole yet; what is no UTF-8 is replaced.
    fn whole(&mut self, piece: &[u8]) -> String {
        self.0.extend_from_slice(piece);
        let until = match std::str::from_utf8(&self.0) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            // A flaw in the middle: a character may be cut at the end all the same.
            Err(_) => self.0.len() - unfinished(&self.0),
            Ok(_) => self.0.len(),
        };
        let rest = self.0.split_off(until);
        String::from_utf8_lossy(&std::mem::replace(&mut self.0, rest)).into_owned()
    }
}

/// How many bytes at the end begin a character and do not finish it.
fn unfinished(bytes: &[u8]) -> usize {
    let last = bytes.iter().rev().take(4).position(|byte| byte & 0xc0 != 0x80);
    let Some(back) = last else { return 0 };
    let start = bytes.len() - 1 - back;
    match std::str::from_utf8(&bytes[start..]) {
        Err(error) if error.error_len().is_none() => back + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_told_whole() {
        let text = "aé€😀";
        for at in 0..text.len() {
            let mut cut = Cut::default();
            let (first, second) = text.as_bytes().split_at(at);
            assert_eq!(format!("{}{}", cut.whole(first), cut.whole(second)), text, "cut at {at}");
        }
        let mut cut = Cut::default();
        assert_eq!(cut.whole(b"\xffa\xe2\x82"), "\u{fffd}a");
        assert_eq!(cut.whole(b"\xac!"), "€!");
    }
}
