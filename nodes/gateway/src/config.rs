//! How a gateway is set up.

use std::fmt;
use std::net::SocketAddr;

/// How a gateway is set up.
#[derive(Clone)]
pub struct GatewayConfig {
    /// What clients must present.
    pub token: String,
    /// Host names, beside loopback's, under which clients may reach it.
    pub names: Vec<String>,
    /// The largest bodies it takes.
    pub limits: BodyLimits,
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token stays out of every log.
        f.debug_struct("GatewayConfig")
            .field("names", &self.names)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl GatewayConfig {
    /// A gateway with the usual limits.
    pub fn new(token: impl Into<String>) -> GatewayConfig {
        GatewayConfig { token: token.into(), names: Vec::new(), limits: BodyLimits::default() }
    }
}

/// The largest bodies that a gateway takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// One request in JSON.
    pub json: usize,
    /// A batch of submissions.
    pub batch: usize,
    /// One blob.
    pub blob: u64,
}

impl Default for BodyLimits {
    fn default() -> BodyLimits {
        BodyLimits { json: 1 << 20, batch: 64 << 20, blob: 64 << 30 }
    }
}

/// Why a gateway cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error(
        "port {} of {} is in use by another program; stop it, or choose another port: `tidegate up --http {}:PORT`",
        .0.port(), .0.ip(), .0.ip()
    )]
    InUse(SocketAddr),
    /// It would be reachable from other machines, in the clear.
    #[error(
        "{0} can be reached from other machines, and the gateway does not speak TLS yet: listen on 127.0.0.1, and reach \
         it from elsewhere through an SSH tunnel"
    )]
    NotLoopback(SocketAddr),
    /// The system refused.
    #[error("cannot listen on {listen}: {error}")]
    Io {
        /// Where.
        listen: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
}
