//! Asking the server: one connection that is kept, no runtime.

use crate::args::Global;
use crate::context::{Context, Contexts};
use crate::failure::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::time::Duration;
use tidegate_gateway::api::Problem;
use ureq::http::{Response, StatusCode};
use ureq::typestate::{WithBody, WithoutBody};
use ureq::{Agent, Body, RequestBuilder};

/// Where a server listens unless it is told otherwise.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:8770";
/// How long it may take to be connected.
const CONNECT: Duration = Duration::from_secs(5);
/// The largest answer in JSON that is read.
const ANSWER_MAX_BYTES: u64 = 256 << 20;
/// The largest problem document that is read.
const PROBLEM_MAX_BYTES: u64 = 1 << 20;

/// A server, and the right to ask it.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    server: String,
    token: Option<String>,
    workspace: Option<String>,
}

impl Client {
    /// The server that the options name, else the one that `tidegate up` started last.
    pub(crate) fn new(global: &Global) -> Result<Client, Failure> {
        let (server, token) = match &global.server {
            Some(server) => {
                let server = normal(server)?;
                let token = match &global.token {
                    Some(token) => Some(token.clone()),
                    None => contexts()?.find(&server)?.map(|context| context.token),
                };
                (server, token)
            }
            None => {
                let known = contexts()?.current()?;
                let token = global
                    .token
                    .clone()
                    .or_else(|| known.as_ref().map(|Context { token, .. }| token.clone()));
                (known.map_or_else(|| DEFAULT_SERVER.to_owned(), |known| known.server), token)
            }
        };
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_connect(Some(CONNECT)).proxy(None);
        let config = config.max_redirects(0).user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        let agent = config.build().new_agent();
        Ok(Client { agent, server, token, workspace: global.workspace.clone() })
    }

    /// The workspace that was asked for, if one was.
    pub(crate) fn workspace(&self) -> Option<String> {
        self.workspace.clone()
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Reads something.
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        self.json(self.begin_get(path, query).call())
    }

    /// Reads something that comes in pieces.
    pub(crate) fn get_stream(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<impl Read + use<>, Failure> {
        Ok(self.checked(self.begin_get(path, query).call())?.into_body().into_reader())
    }

    /// Asks for something by a body.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.json(self.begin(self.agent.post(self.url(path)), query).send_json(body))
    }

    /// Says what is to be.
    pub(crate) fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.json(self.begin(self.agent.put(self.url(path)), query).send_json(body))
    }

    /// Sends bytes of a known number.
    pub(crate) fn put_bytes(&self, path: &str, length: u64, bytes: &mut dyn Read) -> Result<(), Failure> {
        let request = self.begin(self.agent.put(self.url(path)), &[]);
        let request = request.header("content-length", length.to_string());
        let request = request.header("content-type", "application/octet-stream");
        self.checked(request.send(ureq::SendBody::from_reader(bytes))).map(drop)
    }

    /// Says what is no longer to be.
    pub(crate) fn delete(&self, path: &str, query: &[(&str, String)]) -> Result<(), Failure> {
        let request = self.agent.delete(self.url(path));
        self.checked(self.finish(request, query).call()).map(drop)
    }

    fn begin_get(&self, path: &str, query: &[(&str, String)]) -> RequestBuilder<WithoutBody> {
        self.finish(self.agent.get(self.url(path)), query)
    }

    fn begin(&self, request: RequestBuilder<WithBody>, query: &[(&str, String)]) -> RequestBuilder<WithBody> {
        self.finish(request, query)
    }

    fn finish<B>(&self, mut request: RequestBuilder<B>, query: &[(&str, String)]) -> RequestBuilder<B> {
        for (key, value) in query {
            request = request.query(key, value);
        }
        if let Some(workspace) = &self.workspace
            && !query.iter().any(|(key, _)| *key == "workspace")
        {
            request = request.query("workspace", workspace);
        }
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.server)
    }

    fn json<T: DeserializeOwned>(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<T, Failure> {
        let answer = self.checked(answer)?.into_body().into_with_config().limit(ANSWER_MAX_BYTES).read_json();
        answer.map_err(|error| match error {
            ureq::Error::Json(error) => Failure::Unreachable(format!(
                "what answers at {} is no Tidegate of this release: {error}",
                self.server
            )),
            other => self.unreachable(&other),
        })
    }

    fn checked(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body =
            answer.into_body().into_with_config().limit(PROBLEM_MAX_BYTES).read_to_vec().unwrap_or_default();
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if problem.status == 401 => self.unauthorized(problem),
            Ok(problem) => problem.into(),
            Err(_) => self.stranger(status),
        })
    }

    fn unauthorized(&self, mut problem: Problem) -> Failure {
        if self.token.is_none() {
            problem.detail = format!(
                "{} wants a token and none is known for it; set TIDEGATE_TOKEN to what the file `token` of its data folder holds",
                self.server
            );
        }
        problem.into()
    }

    fn stranger(&self, status: StatusCode) -> Failure {
        Failure::Unreachable(format!("what answers at {} is no Tidegate: it says {status}", self.server))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let server = &self.server;
        let hint = match self.token {
            Some(_) => "is it running? `tidegate up` starts one; --server or TIDEGATE_SERVER names another",
            None => "start one with `tidegate up`, or name another by --server or TIDEGATE_SERVER",
        };
        Failure::Unreachable(format!("cannot reach the server at {server}: {error}; {hint}"))
    }
}

fn contexts() -> Result<Contexts, Failure> {
    Ok(Contexts::of_user()?)
}

/// A server's URL without what follows its port.
fn normal(server: &str) -> Result<String, Failure> {
    let server = server.trim().trim_end_matches('/');
    let with_scheme = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let wrong = |what: &str| Err(Failure::Usage(format!("--server {server}: {what}")));
    match with_scheme.split_once("://") {
        Some(("http", host)) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => {
            Ok(with_scheme)
        }
        Some(("https", _)) => {
            wrong("https is not supported yet; reach the server through an SSH tunnel by http")
        }
        _ => wrong("give http://HOST:PORT"),
    }
}

/// A name as part of a path.
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
    fn servers_are_named_in_one_way() {
        for (given, server) in [
            ("http://127.0.0.1:8770/", Some("http://127.0.0.1:8770")),
            ("localhost:9", Some("http://localhost:9")),
            ("https://h", None),
            ("http://h/path", None),
            ("ftp://h", None),
            ("", None),
        ] {
            assert_eq!(normal(given).ok().as_deref(), server, "{given}");
        }
    }

    #[test]
    fn names_stay_in_their_part_of_a_path() {
        assert_eq!(segment("a.b-c_d"), "a.b-c_d");
        assert_eq!(segment("../x y?é"), "..%2Fx%20y%3F%C3%A9");
    }
}
