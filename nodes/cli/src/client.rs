//! Asking a cluster: whichever of its servers answers, and each change once.

mod asked;
mod search;
mod send;
mod servers;
#[cfg(test)]
mod tests;

use self::asked::{Asked, Sent};
use crate::args::Global;
use crate::context::Contexts;
use crate::failure::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{Method, Response};
use ureq::{Agent, Body, BodyReader};

pub(crate) use self::asked::{new_key, segment};
pub(crate) use self::servers::Servers;

/// Where a server listens unless it is told otherwise.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:8770";
/// How long it may take to be connected.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may take to say whether it is ready.
const READY: Duration = Duration::from_secs(3);
/// The largest answer in JSON that is read.
const ANSWER_MAX_BYTES: u64 = 256 << 20;
/// The largest problem document that is read.
const PROBLEM_MAX_BYTES: u64 = 1 << 20;
/// How much longer than others the answer to a blob may take: several disks write it first.
const STORING: Duration = Duration::from_secs(60);

/// The servers of a cluster, and the right to ask them.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    servers: Arc<Servers>,
    token: Option<String>,
    workspace: Option<String>,
    patience: Duration,
}

impl Client {
    /// The servers that the options name, else those that `tidegate up` started last.
    pub(crate) fn new(global: &Global) -> Result<Client, Failure> {
        let known = match &global.server {
            Some(_) => None,
            None => Contexts::of_user()?.current()?,
        };
        let servers = match (&global.server, &known) {
            (Some(named), _) => Servers::parse(named)?,
            (None, Some(known)) => Servers::new(known.servers.clone())?,
            (None, None) => Servers::new(vec![DEFAULT_SERVER.to_owned()])?,
        };
        let token = match (&global.token, known) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(known)) => Some(known.token),
            (None, None) => Contexts::of_user()?.find(servers.all())?.map(|context| context.token),
        };
        Ok(Client { workspace: global.workspace.clone(), ..Client::of(servers, token) })
    }

    /// These servers.
    pub(crate) fn of(servers: Servers, token: Option<String>) -> Client {
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_connect(Some(CONNECT)).proxy(None);
        let config = config.max_redirects(0).user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        let agent = config.build().new_agent();
        Client { agent, servers: Arc::new(servers), token, workspace: None, patience: search::PATIENCE }
    }

    /// The same, but every server is asked once only.
    pub(crate) fn impatient(self) -> Client {
        Client { patience: Duration::ZERO, ..self }
    }

    /// The workspace that was asked for, if one was.
    pub(crate) fn workspace(&self) -> Option<String> {
        self.workspace.clone()
    }

    /// The right to ask them, if it is known.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The servers, for people.
    pub(crate) fn server(&self) -> String {
        self.servers.list()
    }

    /// Whether another server may answer when one does not.
    pub(crate) fn has_several(&self) -> bool {
        self.servers.all().len() > 1
    }

    /// Reads something.
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        self.get_after(path, query, Duration::ZERO)
    }

    /// Reads something that the server may wait for so long.
    pub(crate) fn get_after<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        waits: Duration,
    ) -> Result<T, Failure> {
        self.send(&Asked { waits, ..self.asked(Method::GET, path, query) }, json)
    }

    /// Reads something that comes in pieces, and says which server it comes from, by its number.
    pub(crate) fn get_stream(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<(BodyReader<'static>, usize), Failure> {
        let asked = self.asked(Method::GET, path, query);
        self.send(&asked, |answer| Ok((answer.into_body().into_reader(), self.servers.current().0)))
    }

    /// Whether the server of this number can answer for its cluster. If not, another one is asked from now on.
    pub(crate) fn is_ready(&self, at: usize) -> bool {
        let url = format!("{}/readyz", self.servers.all()[at]);
        let asked = self.agent.get(url).config().timeout_global(Some(READY)).build().call();
        let ready = asked.is_ok_and(|answer| answer.status().is_success());
        if !ready {
            self.servers.turn_from(at);
        }
        ready
    }

    /// Asks for something by a body.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.send(&self.asked(Method::POST, path, query).with(Sent::json(body)?), json)
    }

    /// Asks for a change that may have been asked for before, under this key.
    pub(crate) fn post_as<T: DeserializeOwned>(
        &self,
        key: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let asked = Asked { key: Some(key.to_owned()), ..self.asked(Method::POST, path, &[]) };
        self.send(&asked.with(Sent::json(body)?), json)
    }

    /// Asks for something that has no answer but that it is done.
    pub(crate) fn command(&self, path: &str) -> Result<(), Failure> {
        let body = Sent::json(&serde_json::json!({}))?;
        self.send(&self.asked(Method::POST, path, &[]).with(body), |_| Ok(()))
    }

    /// Says what is to be.
    pub(crate) fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.send(&self.asked(Method::PUT, path, query).with(Sent::json(body)?), json)
    }

    /// Sends bytes of a known number; `open` gives them from the first, as often as they have to be sent.
    pub(crate) fn put_bytes<'a>(
        &self,
        path: &'a str,
        length: u64,
        open: impl Fn() -> Result<Box<dyn Read + 'a>, Failure> + 'a,
    ) -> Result<(), Failure> {
        let asked = Asked { waits: STORING, ..self.asked(Method::PUT, path, &[]) };
        self.send(&asked.with(Sent::bytes(length, open)), |_| Ok(()))
    }

    /// Says what is no longer to be.
    pub(crate) fn delete(&self, path: &str, query: &[(&str, String)]) -> Result<(), Failure> {
        self.send(&self.asked(Method::DELETE, path, query), |_| Ok(()))
    }

    fn asked<'a>(&self, method: Method, path: &'a str, query: &[(&'a str, String)]) -> Asked<'a> {
        let mut asked = Asked::new(method, path, query);
        if let Some(workspace) = &self.workspace
            && !query.iter().any(|(name, _)| *name == "workspace")
        {
            asked.query.push(("workspace", workspace.clone()));
        }
        asked
    }
}

fn json<T: DeserializeOwned>(answer: Response<Body>) -> Result<T, ureq::Error> {
    answer.into_body().into_with_config().limit(ANSWER_MAX_BYTES).read_json()
}
