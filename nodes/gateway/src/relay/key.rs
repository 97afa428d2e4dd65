//! `Idempotency-Key`: under which name a change is known when it is sent again.

use crate::api::Problem;
use crate::names;
use crate::problem::{bad_request, internal};
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpRequest};
use std::future::{Ready, ready};
use tidegate_scheduler::ids::RequestKey;
use tidegate_store::Digest;

/// The header.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// What it is for, in the description of every route that takes it.
pub(crate) const MEANING: &str = "Any 1 to 255 visible characters that no other request has. Sent again with the \
     same key within 24 hours, the request is done once and answered in the same way; another request with that key is \
     refused (422). The server makes a key of its own for a request without one, to go on by itself when leadership \
     moves. A submission is known by the run's name: without a name it gets one that follows from the key.";
/// The longest one.
pub(crate) const LONGEST: usize = 255;

/// The key of the request that is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(RequestKey);

impl Key {
    fn of(text: &[u8]) -> Key {
        let mut key = [0; 16];
        key.copy_from_slice(&Digest::of(text).as_bytes()[..16]);
        Key(RequestKey(key))
    }

    /// For the core.
    pub(crate) fn request(self) -> RequestKey {
        self.0
    }

    /// The name of the request's run at `position` when it was given none: the same one however often it is sent.
    pub(crate) fn run_name(self, position: usize) -> String {
        let mut seed = self.0.0.to_vec();
        seed.extend((position as u64).to_be_bytes());
        names::name_of(Digest::of(&seed).as_bytes())
    }
}

/// Whether requests of this method change something.
pub(crate) fn is_change(method: &Method) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method)
}

/// Checks the key that came with a change, or makes one.
pub(crate) fn ensure(method: &Method, headers: &mut HeaderMap) -> Result<(), Problem> {
    if is_change(method) && read(headers)?.is_none() {
        let made = format!("{:032x}", rand::random::<u128>());
        headers.insert(HEADER, HeaderValue::from_str(&made).map_err(internal)?);
    }
    Ok(())
}

fn read(headers: &HeaderMap) -> Result<Option<Key>, Problem> {
    let mut values = headers.get_all(&HEADER);
    let (Some(value), second) = (values.next(), values.next()) else { return Ok(None) };
    if second.is_some() {
        return Err(bad_request(format!("the header `{HEADER}` is given twice")));
    }
    let text = value.as_bytes();
    if text.is_empty() || text.len() > LONGEST || !text.iter().all(u8::is_ascii_graphic) {
        return Err(bad_request(format!("the header `{HEADER}` is not 1 to {LONGEST} visible characters")));
    }
    Ok(Some(Key::of(text)))
}

impl FromRequest for Key {
    type Error = Problem;
    type Future = Ready<Result<Key, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let key = read(request.headers());
        ready(key.and_then(|key| key.ok_or_else(|| internal("a change came to its handler without a key"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        values.iter().for_each(|value| headers.append(HEADER, HeaderValue::from_str(value).unwrap()));
        headers
    }

    #[test]
    fn a_change_has_a_key_and_keeps_its_own() {
        let mut given = headers(&["mine"]);
        ensure(&Method::POST, &mut given).unwrap();
        assert_eq!(read(&given).unwrap(), Some(Key::of(b"mine")));
        let (mut one, mut two) = (headers(&[]), headers(&[]));
        for headers in [&mut one, &mut two] {
            ensure(&Method::DELETE, headers).unwrap();
        }
        assert!(read(&one).unwrap().is_some() && read(&one).unwrap() != read(&two).unwrap());
        let mut asked = headers(&[]);
        ensure(&Method::GET, &mut asked).unwrap();
        assert_eq!(read(&asked).unwrap(), None);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for wrong in [&["a", "b"][..], &[""], &["a b"], &["a\tb"], &["x".repeat(256).as_str()]] {
            assert_eq!(ensure(&Method::PUT, &mut headers(wrong)).unwrap_err().status, 400, "{wrong:?}");
        }
        assert!(ensure(&Method::PUT, &mut headers(&["x".repeat(255).as_str()])).is_ok());
    }

    #[test]
    fn a_run_without_a_name_gets_the_same_one_each_time() {
        let (one, two) = (Key::of(b"one"), Key::of(b"two"));
        assert_eq!(one.run_name(0), Key::of(b"one").run_name(0));
        assert!(one.run_name(0) != one.run_name(1) && one.run_name(0) != two.run_name(0));
    }
}
