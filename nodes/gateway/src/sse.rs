//! Server-sent events.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Bytes;
use std::time::Duration;

/// Something is said at least this often, so that both ends notice when the other one is gone.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// Whether the client wants server-sent events.
pub(crate) fn are_wanted(request: &HttpRequest) -> bool {
    request.headers().get(header::ACCEPT).is_some_and(is_type)
}

/// Whether a header names server-sent events.
pub(crate) fn is_type(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|value| value.contains("text/event-stream"))
}

/// One event.
pub(crate) fn event(kind: &str, data: &impl serde::Serialize) -> Bytes {
    Bytes::from(format!("event: {kind}\ndata: {}\n\n", serde_json::json!(data)))
}

/// What is said when there is nothing to say; clients overlook it.
pub(crate) fn nothing() -> Bytes {
    Bytes::from_static(b": nothing new\n\n")
}

/// The end of a stream that its client should ask for again, soon: another controller tells on.
pub(crate) fn come_again() -> Bytes {
    Bytes::from_static(b": leadership has moved, ask again\nretry: 200\n\n")
}
