//! Peers that have a good certificate and do not keep to the protocol: raw QUIC against an endpoint.

use std::{net::Ipv4Addr, time::Duration};

use super::*;
use crate::{error::FrameError, hello::MAX_HELLO_BYTES, tls::ClusterCa};

const HOUR: Duration = Duration::from_secs(3600);

/// An endpoint, and a client of its cluster.
struct Raw {
    server: Endpoint,
    client: quinn::Endpoint,
    tls: quinn::ClientConfig,
    ca: ClusterCa,
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

impl Raw {
    fn new(config: Config) -> Self {
        let ca = ClusterCa::create("test").unwrap();
        let identity = ca.issue(Role::Controller, "c", HOUR).unwrap();
        let transport = Arc::new(quic::transport(&config));
        let server = Endpoint::bind(loopback(), &identity, ca.cert(), config).unwrap();
        let identity = ca.issue(Role::Worker, "w", HOUR).unwrap();
        let tls = TlsConfigs::new(&identity, ca.cert(), &[]).unwrap();
        let tls = quic::client(tls.client(Role::Controller), &transport).unwrap();
        Self { server, client: quinn::Endpoint::client(loopback()).unwrap(), tls, ca }
    }

    /// A QUIC connection that has yet to say anything.
    async fn connect(&self) -> quinn::Connection {
        let address = self.server.local_addr().unwrap();
        self.client.connect_with(self.tls.clone(), address, SERVER_NAME).unwrap().await.unwrap()
    }
}

fn patient() -> Config {
    Config { handshake_timeout: Duration::from_secs(60), ..Config::default() }
}

async fn refusal(server: &Endpoint) -> HelloError {
    let accepted = tokio::time::timeout(Duration::from_secs(60), server.accept()).await;
    accepted.expect("still waiting for the refusal").unwrap().unwrap_err().source
}

async fn told(connection: &quinn::Connection) -> (CloseCode, String) {
    match connection.closed().await.into() {
        CloseReason::Peer { code, reason } => (code, reason),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_oversize_hello_is_refused_unread() {
    let raw = Raw::new(patient());
    let connection = raw.connect().await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    let claimed = u32::try_from(MAX_HELLO_BYTES).unwrap() + 1;
    send.write_all(&claimed.to_be_bytes()).await.unwrap();
    let error = refusal(&raw.server).await;
    assert!(matches!(error, HelloError::Frame(FrameError::TooLarge { max: MAX_HELLO_BYTES, .. })), "{error}");
    let (code, reason) = told(&connection).await;
    assert_eq!(code, CloseCode::Violation);
    assert!(reason.contains("65536"), "{reason}");
}

#[tokio::test]
async fn a_hello_that_is_none_is_refused() {
    let raw = Raw::new(patient());
    let connection = raw.connect().await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(&crate::frame::encode("GET / HTTP/1.1", 100).unwrap()).await.unwrap();
    let error = refusal(&raw.server).await;
    assert!(matches!(error, HelloError::Frame(FrameError::Decode(_))), "{error}");
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_let_go() {
    let raw = Raw::new(Config { handshake_timeout: Duration::from_secs(1), ..Config::default() });
    let connection = raw.connect().await;
    let error = refusal(&raw.server).await;
    assert!(matches!(error, HelloError::Deadline { .. }), "{error}");
    assert_eq!(told(&connection).await.0, CloseCode::Handshake);
}

#[tokio::test]
async fn a_peer_that_claims_another_cluster_is_refused() {
    let raw = Raw::new(patient());
    let connection = raw.connect().await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    let hello = Hello::ours(&Config::default(), "other");
    send.write_all(&crate::frame::encode(&hello, MAX_HELLO_BYTES).unwrap()).await.unwrap();
    let error = refusal(&raw.server).await;
    assert!(matches!(&error, HelloError::Cluster { theirs, .. } if theirs == "other"), "{error}");
    assert_eq!(told(&connection).await.0, CloseCode::Cluster);
}

#[tokio::test]
async fn streams_of_an_unknown_class_or_twice_the_same_are_refused() {
    for tags in [*b"XC", *b"CC"] {
        let raw = Raw::new(patient());
        let connection = raw.connect().await;
        for tag in tags {
            connection.open_uni().await.unwrap().write_all(&[tag]).await.unwrap();
        }
        let error = refusal(&raw.server).await;
        assert!(matches!(error, HelloError::Streams { .. }), "{error}");
        assert_eq!(told(&connection).await.0, CloseCode::Violation);
    }
}

#[tokio::test]
async fn with_half_of_the_handshakes_taken_a_newcomer_proves_its_address_and_is_let_in() {
    let raw = Raw::new(Config { max_handshakes: 2, ..patient() });
    let _silent = raw.connect().await;
    let newcomer = raw.ca.issue(Role::Worker, "n", HOUR).unwrap();
    let newcomer = Endpoint::bind(loopback(), &newcomer, raw.ca.cert(), patient()).unwrap();
    let link = newcomer.connect(raw.server.local_addr().unwrap(), Role::Controller).await.unwrap();
    assert_eq!(link.peer().name, "c");
    assert_eq!(raw.server.accept().await.unwrap().unwrap().peer().name, "n");
}

#[tokio::test]
async fn with_all_handshakes_taken_a_newcomer_is_refused_at_once() {
    let raw = Raw::new(Config { max_handshakes: 1, ..patient() });
    let _silent = raw.connect().await;
    let newcomer = raw.ca.issue(Role::Worker, "n", HOUR).unwrap();
    let newcomer = Endpoint::bind(loopback(), &newcomer, raw.ca.cert(), patient()).unwrap();
    let error = newcomer.connect(raw.server.local_addr().unwrap(), Role::Controller).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { reason: CloseReason::Peer { .. }, .. }), "{error}");
}
