//! What a client asks, apart from its body: as it came, as it goes to another controller, and as it is given to the
//! routes of this one.

use crate::api::Problem;
use crate::problem::bad_request;
use actix_http::Request;
use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, Uri};
use std::net::SocketAddr;
use std::str::FromStr;
use tidegate_store::peer_wire::{self, HttpHeader};
use tidegate_store::wire::BlobData;

/// What controllers say to each other beside what a client and a server say; never let in from a client or out to one.
pub(crate) const RELAY: HeaderName = HeaderName::from_static("tidegate-relay");
/// Of a request: to be answered by this controller though it does not lead.
const AS_YOU_ARE: &str = "as-you-are";
/// Headers that are about one connection, and end with it.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// Headers that the first controller has dealt with: where it is reached, whose page asks, and whether to send the body.
const DEALT_WITH: [HeaderName; 3] = [header::HOST, header::ORIGIN, header::EXPECT];

/// What a client asks, apart from its body.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    uri: Uri,
}

impl Asked {
    /// As a client sent it.
    pub(crate) fn of(request: &HttpRequest) -> Asked {
        let head = request.head();
        let mut headers = head.headers.clone();
        headers.remove(RELAY);
        Asked { method: head.method.clone(), uri: head.uri.clone(), headers }
    }

    /// As another controller passed it on, and whether it is to be answered as this one is. `here` is what it is
    /// reached as.
    pub(crate) fn passed_on(
        head: peer_wire::HttpRequest,
        here: SocketAddr,
    ) -> Result<(Asked, bool), Problem> {
        let bad = |what: &str| bad_request(format!("a request was passed on with a bad {what}"));
        let mut headers = read_headers(head.headers).ok_or_else(|| bad("header"))?;
        let as_you_are = headers.remove(RELAY).any(|value| value.as_bytes() == AS_YOU_ARE.as_bytes());
        let host = HeaderValue::from_str(&here.to_string()).map_err(|_| bad("host"))?;
        headers.insert(header::HOST, host);
        let method = Method::from_bytes(head.method.as_bytes()).map_err(|_| bad("method"))?;
        let uri = Uri::from_str(&head.path_and_query).map_err(|_| bad("path"))?;
        Ok((Asked { method, uri, headers }, as_you_are))
    }

    /// For another controller.
    pub(crate) fn to_pass_on(&self, as_you_are: bool) -> peer_wire::HttpRequest {
        let target = self.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        let mut headers = end_to_end(&self.headers);
        headers.retain(|(name, _)| !DEALT_WITH.iter().any(|dealt_with| dealt_with == name.as_str()));
        if as_you_are {
            headers.push((RELAY.to_string(), BlobData(AS_YOU_ARE.into())));
        }
        peer_wire::HttpRequest { method: self.method.to_string(), path_and_query: target, headers }
    }

    /// For the routes of this controller.
    pub(crate) fn request(&self, body: Payload) -> Request {
        let mut request = Request::with_payload(body);
        let head = request.head_mut();
        head.method = self.method.clone();
        head.uri = self.uri.clone();
        head.headers = self.headers.clone();
        request
    }

    /// The length of the body as the client says it.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }
}

/// Headers that are not about one connection alone, for the way to another controller.
pub(crate) fn end_to_end(headers: &HeaderMap) -> Vec<HttpHeader> {
    let named = headers.get_all(header::CONNECTION).filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = named.flat_map(|names| names.split(',')).map(str::trim).collect();
    let goes = |name: &HeaderName| {
        !HOP_BY_HOP.contains(name) && !named.iter().any(|hop| hop.eq_ignore_ascii_case(name.as_str()))
    };
    let going = headers.iter().filter(|(name, _)| goes(name));
    going.map(|(name, value)| (name.to_string(), BlobData(value.as_bytes().to_vec()))).collect()
}

/// Headers that came from another controller; `None` when one of them is none.
pub(crate) fn read_headers(given: Vec<HttpHeader>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(given.len() + 1);
    for (name, BlobData(value)) in given {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if !HOP_BY_HOP.contains(&name) {
            headers.append(name, HeaderValue::from_bytes(&value).ok()?);
        }
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_request_is_the_same_at_another_controller_but_for_its_connection() {
        let request = TestRequest::post()
            .uri("/api/v1/runs?a=%20b&c")
            .insert_header(("host", "evil.example"))
            .insert_header(("origin", "http://evil.example"))
            .insert_header(("authorization", "Bearer t"))
            .insert_header(("connection", "close, X-Hop"))
            .insert_header(("x-hop", "1"))
            .insert_header(("transfer-encoding", "chunked"))
            .insert_header(("tidegate-relay", "as-you-are"))
            .append_header(("x-two", "1"))
            .append_header(("x-two", "2"))
            .to_http_request();
        let asked = Asked::of(&request);
        let here = "127.0.0.1:9".parse().unwrap();
        let (there, as_you_are) = Asked::passed_on(asked.to_pass_on(false), here).unwrap();
        assert!(!as_you_are, "a client cannot ask for that");
        assert_eq!(
            (there.method.as_str(), there.uri.to_string().as_str()),
            ("POST", "/api/v1/runs?a=%20b&c")
        );
        let mut names: Vec<String> = there
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        names.sort();
        assert_eq!(names, ["authorization: Bearer t", "host: 127.0.0.1:9", "x-two: 1", "x-two: 2"]);
        assert!(Asked::passed_on(asked.to_pass_on(true), here).unwrap().1);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let good = peer_wire::HttpRequest {
            method: "GET".into(),
            path_and_query: "/".into(),
            headers: vec![("a".into(), BlobData(b"b".to_vec()))],
        };
        let here = "127.0.0.1:9".parse().unwrap();
        assert!(Asked::passed_on(good.clone(), here).is_ok());
        for bad in [
            peer_wire::HttpRequest { method: "G T".into(), ..good.clone() },
            peer_wire::HttpRequest { path_and_query: "http://[".into(), ..good.clone() },
            peer_wire::HttpRequest { headers: vec![("a\n".into(), BlobData(Vec::new()))], ..good.clone() },
            peer_wire::HttpRequest { headers: vec![("a".into(), BlobData(b"\r\n".to_vec()))], ..good },
        ] {
            assert_eq!(Asked::passed_on(bad, here).unwrap_err().status, 400);
        }
    }
}
