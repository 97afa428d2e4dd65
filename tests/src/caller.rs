//! A program that uses the server over HTTP with the right token, from any thread, also while the server is away.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    Answer, Cluster,
    faults::{Host, Namespace},
    http,
};

/// A program that knows where a story's server listens, and its token.
#[derive(Debug, Clone)]
pub struct Caller {
    address: SocketAddr,
    token: String,
    patience: Duration,
    namespace: Option<Arc<Namespace>>,
}

impl Cluster {
    /// A program that may use this server, and still may after it was restarted.
    ///
    /// # Errors
    /// As [`Cluster::token`].
    pub fn caller(&self) -> Result<Caller> {
        Ok(Caller::new(self.address(), &self.token()?))
    }
}

impl Caller {
    /// A program that uses the server at an address, with a token that it knows.
    pub fn new(address: SocketAddr, token: &str) -> Caller {
        Caller { address, token: token.to_owned(), patience: http::PATIENCE, namespace: None }
    }

    /// It is in that host: the server listens on the host's loopback, say.
    pub fn inside(mut self, host: &Host) -> Caller {
        self.namespace = Some(host.namespace.clone());
        self
    }

    /// How long it waits to be connected and for each part of an answer, in place of 30 s.
    pub fn patience(mut self, patience: Duration) -> Caller {
        self.patience = patience;
        self
    }

    /// The server's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request such as `PUT /api/v1/blobs/x`.
    ///
    /// # Errors
    /// No answer comes.
    pub fn send(&self, line: &str, body: &[u8]) -> Result<Answer> {
        self.send_with(line, &[], body)
    }

    /// Sends a request with more headers.
    ///
    /// # Errors
    /// No answer comes.
    pub fn send_with(&self, line: &str, more: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        let host = self.address.to_string();
        let bearer = format!("Bearer {}", self.token);
        let headers = [&[("Host", host.as_str()), ("Authorization", &bearer)], more].concat();
        let connect = || http::connect(self.address, self.patience);
        let stream =
            self.namespace.as_ref().map_or_else(&connect, |namespace| namespace.inside(connect)?)?;
        http::exchange(stream, line, &headers, body)
    }

    /// Reads what is at a path below `/api/v1`.
    ///
    /// # Errors
    /// No answer comes, or one that is not 200.
    pub fn get(&self, path: &str) -> Result<Answer> {
        let answer = self.send(&format!("GET /api/v1{path}"), b"")?;
        if answer.status != 200 {
            bail!("GET {path}: {answer:?}");
        }
        Ok(answer)
    }

    /// Posts JSON to a path below `/api/v1`; the answer may be any.
    ///
    /// # Errors
    /// No answer comes.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(&format!("POST /api/v1{path}"), body.to_string().as_bytes())
    }

    /// Makes a pool, or changes one.
    ///
    /// # Errors
    /// No answer comes, or it is refused.
    pub fn apply_pool(&self, name: &str, pool: &Value) -> Result<()> {
        let answer = self.send(&format!("PUT /api/v1/pools/{name}"), pool.to_string().as_bytes())?;
        if !matches!(answer.status, 200 | 201) {
            bail!("pool {name}: {answer:?}");
        }
        Ok(())
    }

    /// The attempts that are recorded of an element of a run.
    ///
    /// # Errors
    /// No answer comes, or there is no such element.
    pub fn attempts(&self, run: &str, element: u32) -> Result<Vec<Value>> {
        let details: Value = self.get(&format!("/runs/{run}?element={element}"))?.json()?;
        details["attempts"].as_array().cloned().with_context(|| format!("{details} has attempts"))
    }

    /// Reads a list to its end.
    ///
    /// # Errors
    /// No answer comes, or no list.
    pub fn list(&self, path: &str) -> Result<Vec<Value>> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        let mark = if path.contains('?') { '&' } else { '?' };
        loop {
            let page: Value = self.get(&format!("{path}{mark}limit=1000{cursor}"))?.json()?;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }
}
