//! One request, as it is sent to one server after another until one answers.

use crate::failure::Failure;
use serde::Serialize;
use std::io::{self, Cursor, Read};
use std::time::Duration;
use ureq::http::request::Builder;
use ureq::http::{Method, Request};

/// Under this name a change is known when it is sent again.
const KEY: &str = "idempotency-key";

/// What is asked, before it has a server.
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: Vec<(&'a str, String)>,
    /// Of a change: the same for as often as it is sent.
    pub(super) key: Option<String>,
    /// How long the server may take on purpose before it answers.
    pub(super) waits: Duration,
    pub(super) body: Option<Sent<'a>>,
}

/// A body that can be sent more than once.
pub(super) struct Sent<'a> {
    kind: &'static str,
    length: u64,
    open: Box<dyn Fn() -> Result<Box<dyn Read + 'a>, Failure> + 'a>,
}

/// A body on its way, which remembers that it could not be read: that is no server's fault.
pub(super) struct Source<'a> {
    bytes: Box<dyn Read + 'a>,
    failed: Option<String>,
}

/// A key for a change: no other request of anybody has it.
pub(crate) fn new_key() -> String {
    format!("{:032x}", rand::random::<u128>())
}

impl<'a> Asked<'a> {
    pub(super) fn new(method: Method, path: &'a str, query: &[(&'a str, String)]) -> Asked<'a> {
        let key = (method != Method::GET).then(new_key);
        Asked { method, path, query: query.to_vec(), key, waits: Duration::ZERO, body: None }
    }

    /// The same with a body.
    pub(super) fn with(self, body: Sent<'a>) -> Asked<'a> {
        Asked { body: Some(body), ..self }
    }

    /// The head of the request to this server.
    pub(super) fn head(&self, server: &str, token: Option<&str>) -> Builder {
        let mut url = format!("{server}/api/v1{}", self.path);
        for (at, (name, value)) in self.query.iter().enumerate() {
            let before = if at == 0 { '?' } else { '&' };
            url.push_str(&format!("{before}{name}={}", segment(value)));
        }
        let mut head = Request::builder().method(self.method.clone()).uri(url);
        if let Some(token) = token {
            head = head.header("authorization", format!("Bearer {token}"));
        }
        if let Some(key) = &self.key {
            head = head.header(KEY, key);
        }
        if let Some(body) = &self.body {
            head = head.header("content-type", body.kind).header("content-length", body.length);
        }
        head
    }
}

impl<'a> Sent<'a> {
    /// A value as JSON.
    pub(super) fn json(value: &impl Serialize) -> Result<Sent<'a>, Failure> {
        let bytes = serde_json::to_vec(value).map_err(anyhow::Error::from)?;
        let length = bytes.len() as u64;
        let open = move || Ok(Box::new(Cursor::new(bytes.clone())) as Box<dyn Read>);
        Ok(Sent { kind: "application/json", length, open: Box::new(open) })
    }

    /// So many bytes; `open` gives them from the first.
    pub(super) fn bytes(
        length: u64,
        open: impl Fn() -> Result<Box<dyn Read + 'a>, Failure> + 'a,
    ) -> Sent<'a> {
        Sent { kind: "application/octet-stream", length, open: Box::new(open) }
    }

    /// From its first byte.
    pub(super) fn open(&self) -> Result<Source<'a>, Failure> {
        Ok(Source { bytes: (self.open)()?, failed: None })
    }
}

impl Source<'_> {
    /// Why it could not be read, if that is so.
    pub(super) fn failure(&self) -> Option<Failure> {
        let failed = self.failed.as_ref()?;
        Some(anyhow::anyhow!("what was to be sent cannot be read: {failed}").into())
    }
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(into).inspect_err(|error| self.failed = Some(error.to_string()))
    }
}

/// A name as part of a path, or a value as part of a query.
pub(crate) fn segment(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte))
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_part_of_a_path() {
        assert_eq!(segment("a.b-c_d"), "a.b-c_d");
        assert_eq!(segment("../x y?é"), "..%2Fx%20y%3F%C3%A9");
    }

    #[test]
    fn a_change_has_one_key_however_often_it_is_sent_and_a_question_has_none() {
        let query = [("a", "x&y".to_owned()), ("b", "2".to_owned())];
        let change = Asked::new(Method::POST, "/runs", &query);
        let heads =
            ["http://h:1", "http://i:2"].map(|server| change.head(server, Some("t")).body(()).unwrap());
        assert_eq!(heads[0].uri(), "http://h:1/api/v1/runs?a=x%26y&b=2");
        assert_eq!(heads[0].headers()[KEY], heads[1].headers()[KEY]);
        assert_eq!(heads[0].headers()["authorization"], "Bearer t");
        let other = Asked::new(Method::DELETE, "/pools/p", &[]).head("http://h", None).body(()).unwrap();
        assert_ne!(other.headers()[KEY], heads[0].headers()[KEY]);
        let question = Asked::new(Method::GET, "/runs", &[]).head("http://h", None).body(()).unwrap();
        assert!(question.headers().is_empty());
    }

    #[test]
    fn a_body_is_sent_from_its_first_byte_each_time_and_its_own_failure_is_told() {
        let sent = Sent::json(&serde_json::json!({"a": 1})).unwrap();
        for _ in 0..2 {
            assert_eq!(io::read_to_string(sent.open().unwrap()).unwrap(), "{\"a\":1}");
        }
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("worn out"))
            }
        }
        let mut source = Sent::bytes(1, || Ok(Box::new(Broken))).open().unwrap();
        assert!(source.failure().is_none());
        assert!(source.read(&mut [0]).is_err());
        assert!(source.failure().unwrap().to_string().contains("worn out"));
    }
}
