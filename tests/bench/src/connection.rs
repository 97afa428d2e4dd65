//! A kept HTTP connection to a server.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::Agent;

/// The longest that a request may take: more than the longest wait that the server grants.
const TIMEOUT: Duration = Duration::from_secs(330);

/// One connection, kept open from request to request.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    agent: Agent,
    base: String,
    token: String,
}

impl Connection {
    pub(crate) fn new(server: &str, token: &str) -> Connection {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections_per_host(1)
            .timeout_global(Some(TIMEOUT));
        Connection {
            agent: config.build().into(),
            base: format!("{server}/api/v1"),
            token: format!("Bearer {token}"),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let asked =
            self.agent.get(format!("{}{path}", self.base)).header("Authorization", &self.token).call();
        read(path, asked)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("Authorization", &self.token);
        read(path, request.send_json(body))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.put(format!("{}{path}", self.base)).header("Authorization", &self.token);
        read(path, request.send_json(body))
    }

    /// Waits until a run has ended; what is known of it then.
    pub(crate) fn wait_for_end(&self, run: &str) -> Result<Value> {
        loop {
            let status = self.get(&format!("/runs/{run}/wait?until=ended&timeout_s=300"))?;
            if matches!(status["state"].as_str(), Some("Completed" | "Failed" | "Canceled")) {
                return Ok(status);
            }
        }
    }
}

fn read(path: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value> {
    let mut answer = answer.with_context(|| format!("no answer to {path}"))?;
    // Some batches are answered by a few MiB.
    let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec()?;
    if !answer.status().is_success() {
        bail!("{path} was answered {}: {}", answer.status(), String::from_utf8_lossy(&body));
    }
    serde_json::from_slice(&body).with_context(|| format!("{path} was not answered with JSON"))
}
