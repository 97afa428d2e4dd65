//! One UDP socket of this machine, over which it accepts peers and dials them.

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::{
    runtime::Handle,
    sync::{Mutex, mpsc},
};

use crate::{
    close::{CloseCode, CloseReason},
    config::Config,
    error::{AcceptError, BindError, ConnectError, HelloError, TlsError},
    hello::Hello,
    link::{Link, setup::Side},
    tls::{CaCert, Identity, Role, TlsConfigs, identify},
};

mod accept;
mod quic;
mod socket;

/// Every peer goes by this name in TLS: who it is, its certificate's URI says.
const SERVER_NAME: &str = "tidegate";

/// A bound endpoint. Clones share it; when the last is dropped it closes, and its links with it.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    quic: quinn::Endpoint,
    ca: CaCert,
    shared: Arc<Shared>,
    tls: RwLock<TlsConfigs>,
    accepted: Mutex<mpsc::Receiver<Result<Link, AcceptError>>>,
    /// Where the connections' tasks run, whoever dials.
    runtime: Handle,
}

/// What every handshake needs.
struct Shared {
    config: Config,
    hello: Hello,
    transport: Arc<quinn::TransportConfig>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Endpoint({:?})", self.0.quic.local_addr())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.quic.close(CloseCode::Shutdown.to_wire(), b"the endpoint was dropped");
    }
}

impl Endpoint {
    /// Binds `address` (port 0: any that is free) and begins to accept the roles that `config` names. Peers must
    /// prove an identity of `ca`'s cluster; so does this endpoint, by `identity`.
    ///
    /// Must be called within a tokio runtime, in which all tasks of the endpoint and its links then run.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, the identity is not of the cluster, or the configuration cannot work.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn bind(
        address: SocketAddr,
        identity: &Identity,
        ca: &CaCert,
        config: Config,
    ) -> Result<Self, BindError> {
        config.validate()?;
        let tls = TlsConfigs::new(identity, ca, &config.accept)?;
        let hello = Hello::ours(&config, ca.cluster());
        let transport = Arc::new(quic::transport(&config));
        let shared = Arc::new(Shared { config, hello, transport });
        let socket = socket::bind(address, shared.config.socket_buffer)?;
        let server = shared.server(&tls)?;
        let quic =
            quinn::Endpoint::new(quic::endpoint(identity), server, socket, Arc::new(quinn::TokioRuntime))
                .map_err(|source| BindError::Socket { address, source })?;
        let (done, accepted) = mpsc::channel(shared.config.max_handshakes);
        tokio::spawn(accept::run(quic.clone(), shared.clone(), done));
        Ok(Self(Arc::new(Inner {
            quic,
            ca: ca.clone(),
            shared,
            tls: RwLock::new(tls),
            accepted: Mutex::new(accepted),
            runtime: Handle::current(),
        })))
    }

    /// The address that is bound, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.quic.local_addr()
    }

    /// The next peer that has come, its handshake done; `None` once the endpoint is closed. An error tells of one
    /// that was not let in, and the endpoint goes on.
    pub async fn accept(&self) -> Option<Result<Link, AcceptError>> {
        self.0.accepted.lock().await.recv().await
    }

    /// Dials a peer, which must have the role `expected`.
    ///
    /// # Errors
    ///
    /// Nothing answers, one side does not accept the other, or there is no common version.
    pub async fn connect(&self, address: SocketAddr, expected: Role) -> Result<Link, ConnectError> {
        let client = self.0.tls.read().unwrap_or_else(PoisonError::into_inner).client(expected);
        let (quic, shared) = (self.0.quic.clone(), self.0.shared.clone());
        let dialing = self.0.runtime.spawn(async move {
            let deadline = shared.config.handshake_timeout;
            let client = quic::client(client, &shared.transport)
                .map_err(|reason| ConnectError::Address { address, reason })?;
            let connecting =
                quic.connect_with(client, address, SERVER_NAME).map_err(|error| match error {
                    quinn::ConnectError::EndpointStopping => ConnectError::EndpointClosed,
                    error => ConnectError::Address { address, reason: error.to_string() },
                })?;
            let connection = match tokio::time::timeout(deadline, connecting).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => return Err(refused(address, error.into(), deadline)),
                Err(_) => {
                    return Err(ConnectError::NoAnswer { address, after: deadline });
                }
            };
            let peer =
                peer_of(&connection).map_err(|source| ConnectError::Certificate { address, source })?;
            Link::establish(connection, Side::Dialed, peer, &shared.hello, &shared.config).await.map_err(
                |error| match error {
                    HelloError::Closed(reason) => refused(address, reason, deadline),
                    source => ConnectError::Hello { address, source },
                },
            )
        });
        // The task ends early only along with its runtime.
        dialing.await.unwrap_or(Err(ConnectError::EndpointClosed))
    }

    /// Proves another identity from now on. Links that are open go on under the one that they were made with, until
    /// they close: close those that must not.
    ///
    /// # Errors
    ///
    /// The identity is not of the cluster; the former one stays.
    pub fn set_identity(&self, identity: &Identity) -> Result<(), TlsError> {
        let tls = TlsConfigs::new(identity, &self.0.ca, &self.0.shared.config.accept)?;
        let server = self.0.shared.server(&tls)?;
        *self.0.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
        self.0.quic.set_server_config(server);
        Ok(())
    }

    /// Closes all links, tells their peers, and waits until that is sent. What waits to be sent on a link is lost
    /// unless [`Link::shutdown`] came before.
    pub async fn close(&self, reason: &str) {
        self.0.quic.close(CloseCode::Shutdown.to_wire(), reason.as_bytes());
        self.0.quic.wait_idle().await;
    }
}

impl Shared {
    /// The QUIC server for an identity; none where no role is accepted.
    fn server(&self, tls: &TlsConfigs) -> Result<Option<quinn::ServerConfig>, TlsError> {
        if self.config.accept.is_empty() {
            return Ok(None);
        }
        quic::server(tls.server(), &self.transport, &self.config).map(Some)
    }
}

fn refused(address: SocketAddr, reason: CloseReason, after: std::time::Duration) -> ConnectError {
    match reason {
        CloseReason::TimedOut => ConnectError::NoAnswer { address, after },
        reason => ConnectError::Refused { address, reason },
    }
}

/// Who is at the other end, by the certificate that TLS has verified.
fn peer_of(connection: &quinn::Connection) -> Result<crate::tls::PeerId, TlsError> {
    let chain = connection.peer_identity().and_then(|any| any.downcast::<Vec<_>>().ok());
    identify(chain.as_deref().map_or(&[], Vec::as_slice))
}

#[cfg(test)]
mod tests;
