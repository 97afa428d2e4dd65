//! Having a request answered by another controller.

use super::asked::{Asked, RELAY, read_headers};
use super::routes::Came;
use super::standing::moves_from;
use crate::api::Problem;
use crate::app::App;
use crate::problem::{self, no_leader};
use crate::sse;
use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, ResponseError};
use futures_util::future::LocalBoxFuture;
use futures_util::{Stream, StreamExt, stream};
use std::io;
use tidegate_controller::{Answering, BodyIn, BodyOut, ForwardError};
use tidegate_scheduler::ids::ControllerId;
use tidegate_store::peer_wire;

/// A problem that controllers tell each other is no longer than this.
const LONGEST_PROBLEM: usize = 64 << 10;

/// Has a request answered by another controller, to which nothing of it is passed on a second time.
pub(crate) async fn ask(app: &App, to: ControllerId, asked: &Asked, body: Payload, as_you_are: bool) -> Came {
    let (out, answering) = match app.controller.forward(to, asked.to_pass_on(as_you_are)).await {
        Ok(forwarding) => forwarding.split(),
        Err(error) => return failed(to, &error),
    };
    match head(out, answering, body).await {
        Ok((head, body)) => answer(app, to, head, body).await,
        Err(error) => failed(to, &error),
    }
}

/// Sends the body until it has ended, or until the answer is there.
async fn head(
    out: BodyOut,
    answering: Answering,
    body: Payload,
) -> Result<(peer_wire::HttpResponse, BodyIn), ForwardError> {
    let mut answered = std::pin::pin!(answering.head());
    tokio::select! {
        answer = &mut answered => return answer,
        sent = send(out, body) => {
            // One that has answered already takes no more of it.
            if let Err(error) = sent {
                tracing::debug!(%error, "a body was not passed on to its end");
            }
        }
    }
    answered.await
}

async fn send(mut out: BodyOut, mut body: Payload) -> Result<(), ForwardError> {
    while let Some(piece) = body.next().await {
        match piece {
            Ok(bytes) => out.send(&bytes).await?,
            Err(error) => return out.break_off(error.to_string()).await,
        }
    }
    out.end().await
}

fn failed(to: ControllerId, error: &ForwardError) -> Came {
    let detail = format!("controller {to} was asked: {error}");
    match error {
        ForwardError::NotConnected(_) => Came::Lost(no_leader(error)),
        ForwardError::NotLeading => Came::Lost(no_leader(detail)),
        ForwardError::Broken(_) => Came::Lost(problem::uncertain(detail)),
        ForwardError::Crowded => Came::Answer(problem::crowded(error).error_response()),
        ForwardError::Refused(_) => Came::Answer(no_leader(detail).error_response()),
    }
}

async fn answer(app: &App, from: ControllerId, head: peer_wire::HttpResponse, body: BodyIn) -> Came {
    let status = StatusCode::from_u16(head.status);
    let (Ok(status), Some(mut headers)) = (status, read_headers(head.headers)) else {
        let detail = format!("controller {from} answered what is no answer");
        return Came::Answer(problem::internal(detail).error_response());
    };
    if headers.remove(RELAY).next().is_some() {
        return marked(from, body).await;
    }
    let mut response = HttpResponse::build(status);
    let length: Option<u64> =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let nothing = length == Some(0) || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    if nothing {
        // The server says that by itself where it may be said.
        headers.remove(header::CONTENT_LENGTH);
    }
    let events = headers.get(header::CONTENT_TYPE).is_some_and(sse::is_type);
    for header in headers {
        response.append_header(header);
    }
    Came::Answer(match nothing {
        true => response.finish(),
        false => response.streaming(coming(app, from, body, events)),
    })
}

/// An answer that is for this controller, not for its client.
async fn marked(from: ControllerId, mut body: BodyIn) -> Came {
    let mut text = Vec::new();
    while let Some(piece) = body.next().await {
        match piece {
            Ok(bytes) if text.len() + bytes.len() <= LONGEST_PROBLEM => text.extend(bytes),
            Ok(_) => break,
            Err(error) => return failed(from, &error),
        }
    }
    match serde_json::from_slice::<Problem>(&text) {
        Ok(problem) if problem::is_behind(&problem) => Came::Behind(problem),
        Ok(problem) => Came::Lost(problem),
        Err(error) => Came::Lost(problem::uncertain(format_args!(
            "controller {from} answered what is no problem: {error}"
        ))),
    }
}

/// The body of an answer, as it comes. Events end with word to come again where the other one can tell no more.
fn coming(
    app: &App,
    from: ControllerId,
    body: BodyIn,
    events: bool,
) -> impl Stream<Item = io::Result<Bytes>> + use<> {
    let moved: LocalBoxFuture<'static, ()> = match events {
        true => {
            let controller = app.controller.clone();
            Box::pin(async move { moves_from(&controller, from).await })
        }
        // What it has begun to send it can send to its end.
        false => Box::pin(std::future::pending()),
    };
    stream::unfold(Some((body, moved)), move |going| async move {
        let (mut body, mut moved) = going?;
        let piece = tokio::select! {
            biased;
            piece = body.next() => piece?,
            () = &mut moved => Err(ForwardError::NotLeading),
        };
        Some(match piece {
            Ok(bytes) => (Ok(Bytes::from(bytes)), Some((body, moved))),
            Err(_) if events => (Ok(sse::come_again()), None),
            Err(error) => (Err(io::Error::other(error.to_string())), None),
        })
    })
}
