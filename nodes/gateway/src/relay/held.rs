//! The body of a request that may have to be sent more than once.

use crate::api::Problem;
use crate::problem::bad_request;
use actix_http::error::PayloadError;
use actix_web::dev::Payload;
use actix_web::web::Bytes;
use futures_util::{StreamExt, stream};

/// Bodies up to so many bytes are held until they are answered; of a larger one the rest goes through once.
const MOST: usize = 1 << 20;

/// A body, or its beginning and what is still to come.
pub(crate) struct Held {
    begun: Bytes,
    rest: Option<Payload>,
    whole: bool,
}

impl Held {
    /// Reads as much as is held. `announced` is its length as the client says it.
    pub(crate) async fn take(mut body: Payload, announced: Option<u64>) -> Result<Held, Problem> {
        if announced.is_some_and(|length| length > MOST as u64) {
            return Ok(Held { begun: Bytes::new(), rest: Some(body), whole: false });
        }
        let (mut pieces, mut length) = (Vec::new(), 0);
        while length <= MOST {
            match body.next().await {
                Some(Ok(piece)) => {
                    length += piece.len();
                    pieces.push(piece);
                }
                Some(Err(error)) => return Err(bad_request(format!("the body cannot be read: {error}"))),
                None => return Ok(Held { begun: joined(pieces), rest: None, whole: true }),
            }
        }
        Ok(Held { begun: joined(pieces), rest: Some(body), whole: false })
    }

    /// The body, to be sent; `None` when it has been sent and was not held.
    pub(crate) fn payload(&mut self) -> Option<Payload> {
        let begun = self.begun.clone();
        if self.whole {
            return Some(if begun.is_empty() { Payload::None } else { Payload::from(begun) });
        }
        let rest = self.rest.take()?;
        let begun = stream::iter((!begun.is_empty()).then_some(Ok::<_, PayloadError>(begun)));
        Some(Payload::Stream { payload: Box::pin(begun.chain(rest)) })
    }

    /// Whether it can be sent (once more).
    pub(crate) fn is_there(&self) -> bool {
        self.whole || self.rest.is_some()
    }
}

fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        1 => pieces.remove(0),
        _ => pieces.concat().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(pieces: &[usize]) -> Payload {
        let pieces: Vec<_> = pieces.iter().map(|len| Ok(Bytes::from(vec![7; *len]))).collect();
        Payload::Stream { payload: Box::pin(stream::iter(pieces)) }
    }

    async fn read(payload: Payload) -> usize {
        payload.fold(0, |sum, piece| async move { sum + piece.unwrap().len() }).await
    }

    #[actix_web::test]
    async fn small_bodies_are_sent_as_often_as_need_be_and_large_ones_once() {
        for (pieces, announced, often) in [
            (&[][..], None, true),
            (&[3, 4], Some(7), true),
            (&[7], Some(7), true),
            (&[MOST - 1, 1], None, true),
            (&[MOST, 1, 9], None, false),
            (&[1, MOST], Some(MOST as u64 + 1), false),
        ] {
            let length: usize = pieces.iter().sum();
            let mut held = Held::take(body(pieces), announced).await.unwrap();
            assert_eq!(read(held.payload().unwrap()).await, length);
            assert_eq!(held.is_there(), often, "{pieces:?}");
            match held.payload() {
                Some(again) => assert_eq!(read(again).await, length),
                None => assert!(!often),
            }
        }
    }

    #[actix_web::test]
    async fn a_body_that_breaks_off_is_no_body() {
        let pieces = stream::iter([Ok(Bytes::from_static(b"a")), Err(PayloadError::Incomplete(None))]);
        let pieces: actix_http::BoxedPayloadStream = Box::pin(pieces);
        assert_eq!(
            Held::take(Payload::from(pieces), Some(2)).await.err().map(|problem| problem.status),
            Some(400)
        );
    }
}
