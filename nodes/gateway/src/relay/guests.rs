//! Requests that other controllers have passed on to this one: answered by its routes, on a thread of their own, and
//! never passed on again.

use super::asked::{Asked, RELAY, end_to_end};
use super::key;
use super::routes::{Came, Routes};
use crate::app::App;
use crate::guard;
use crate::problem;
use actix_http::error::PayloadError;
use actix_rt::Arbiter;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, ResponseError};
use futures_util::future::Either;
use futures_util::{FutureExt, stream};
use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tidegate_controller::{BodyIn, ForwardError, Forwarded, Replying};
use tidegate_store::peer_wire;
use tidegate_store::wire::BlobData;
use tokio::sync::mpsc;

/// The thread that answers what other controllers pass on.
pub(crate) struct Guests(Arbiter);

impl Guests {
    /// Answers from now on. `here` is where this gateway listens.
    pub(crate) fn host(app: web::Data<App>, here: SocketAddr) -> Guests {
        let (come, coming) = mpsc::unbounded_channel::<Forwarded>();
        app.controller.on_forwarded(Arc::new(move |forwarded| {
            // When the thread is gone the request is dropped, and so its stream broken off: that is the answer.
            let _taken = come.send(forwarded);
            std::future::ready(()).boxed()
        }));
        let thread = Arbiter::new();
        thread.spawn_fn(move || drop(actix_rt::spawn(serve(app, here, coming))));
        Guests(thread)
    }

    /// Answers no more, and lets go of the controller.
    pub(crate) fn leave(self) {
        self.0.stop();
        if self.0.join().is_err() {
            tracing::error!("the thread that answers other controllers had panicked");
        }
    }
}

async fn serve(app: web::Data<App>, here: SocketAddr, mut coming: mpsc::UnboundedReceiver<Forwarded>) {
    let routes = Routes::new(app.clone());
    while let Some(forwarded) = coming.recv().await {
        let (app, routes, from) = (app.clone(), routes.clone(), forwarded.from);
        actix_rt::spawn(async move {
            if let Err(error) = answer(&app, &routes, forwarded, here).await {
                tracing::debug!(%from, %error, "the answer to a request that was passed on did not arrive");
            }
        });
    }
}

async fn answer(
    app: &App,
    routes: &Routes,
    forwarded: Forwarded,
    here: SocketAddr,
) -> Result<(), ForwardError> {
    let Forwarded { from: _, head, body, reply } = forwarded;
    let admitted = Asked::passed_on(head, here).and_then(|(asked, as_you_are)| {
        guard::admit(asked.path(), &asked.headers, app)?;
        Ok((asked, as_you_are))
    });
    let (asked, as_you_are) = match admitted {
        Ok(asked) => asked,
        Err(problem) => return send(reply, problem.error_response()).await,
    };
    // A change goes on to its end, whoever waits for it; what only reads ends with its reader.
    let left = match key::is_change(&asked.method) {
        true => Either::Left(pending()),
        false => Either::Right(reply.left()),
    };
    let answered = async {
        let came = routes.play(&asked, payload(body), as_you_are).await;
        tell(reply, came).await
    };
    tokio::select! {
        biased;
        told = answered => told,
        () = left => Err(ForwardError::Broken("its client has left".to_owned())),
    }
}

async fn tell(reply: Replying, came: Came) -> Result<(), ForwardError> {
    match came {
        Came::Answer(response) => send(reply, response).await,
        Came::Lost(problem) if !problem::is_uncertain(&problem) => reply.not_leading().await,
        Came::Lost(problem) | Came::Behind(problem) => {
            let mut response = problem.error_response();
            response.headers_mut().insert(RELAY, HeaderValue::from_static("again"));
            send(reply, response).await
        }
    }
}

fn payload(body: BodyIn) -> Payload {
    let pieces = stream::unfold(body, |mut body| async move {
        let piece = body.next().await?;
        let piece =
            piece.map(Bytes::from).map_err(|error| PayloadError::Io(io::Error::other(error.to_string())));
        Some((piece, body))
    });
    Payload::Stream { payload: Box::pin(pieces) }
}

async fn send(reply: Replying, response: HttpResponse) -> Result<(), ForwardError> {
    let (head, body) = response.into_parts();
    let mut headers = end_to_end(head.headers());
    if let BodySize::Sized(length) = body.size()
        && !head.headers().contains_key(header::CONTENT_LENGTH)
    {
        headers.push((header::CONTENT_LENGTH.to_string(), BlobData(length.to_string().into_bytes())));
    }
    let mut out = reply.head(peer_wire::HttpResponse { status: head.status().as_u16(), headers }).await?;
    let mut body = pin!(body);
    while let Some(piece) = poll_fn(|context| body.as_mut().poll_next(context)).await {
        match piece {
            Ok(bytes) => out.send(&bytes).await?,
            Err(error) => return out.break_off(error.to_string()).await,
        }
    }
    out.end().await
}
