//! Peers that have a good certificate and do not keep to the protocol: raw QUIC against an endpoint.

use std::{net::Ipv4Addr, time::Duration};

use super::*;
use crate::{error::FrameError, hello::MAX_HELLO_BYTES, tls::ClusterCa};

const HOUR: Duration = Duration::from_secs(3600);

/// An endpoint, and a QUIC connection to it that has yet to say anything.
async fn raw() -> (Endpoint, quinn::Endpoint, quinn::Connection) {
    let ca = ClusterCa::create("test").unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = Config { handshake_timeout: Duration::from_millis(500), ..Config::default() };
    let server = ca.issue(Role::Controller, "c", HOUR).unwrap();
    let server = Endpoint::bind(any, &server, ca.cert(), config.clone()).unwrap();
    let tls = TlsConfigs::new(&ca.issue(Role::Worker, "w", HOUR).unwrap(), ca.cert(), &[]).unwrap();
    let client = quinn::Endpoint::client(any).unwrap();
    let config = quic::client(tls.client(Role::Controller), &Arc::new(quic::transport(&config))).unwrap();
    let connecting = client.connect_with(config, server.local_addr().unwrap(), SERVER_NAME).unwrap();
    (server, client, connecting.await.unwrap())
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
    let (server, _client, connection) = raw().await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    let claimed = u32::try_from(MAX_HELLO_BYTES).unwrap() + 1;
    send.write_all(&claimed.to_be_bytes()).await.unwrap();
    let error = refusal(&server).await;
    assert!(matches!(error, HelloError::Frame(FrameError::TooLarge { max: MAX_HELLO_BYTES, .. })), "{error}");
    let (code, reason) = told(&connection).await;
    assert_eq!(code, CloseCode::Violation);
    assert!(reason.contains("65536"), "{reason}");
}

#[tokio::test]
async fn a_hello_that_is_none_is_refused() {
    let (server, _client, connection) = raw().await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(&crate::frame::encode("GET / HTTP/1.1", 100).unwrap()).await.unwrap();
    let error = refusal(&server).await;
    assert!(matches!(error, HelloError::Frame(FrameError::Decode(_))), "{error}");
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_let_go() {
    let (server, _client, connection) = raw().await;
    let error = refusal(&server).await;
    assert!(matches!(error, HelloError::Deadline { .. }), "{error}");
    assert_eq!(told(&connection).await.0, CloseCode::Handshake);
}

#[tokio::test]
async fn a_peer_that_claims_another_cluster_is_refused() {
    let (server, _client, connection) = raw().await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    let hello = Hello::ours(&Config::default(), "other");
    send.write_all(&crate::frame::encode(&hello, MAX_HELLO_BYTES).unwrap()).await.unwrap();
    let error = refusal(&server).await;
    assert!(matches!(&error, HelloError::Cluster { theirs, .. } if theirs == "other"), "{error}");
    assert_eq!(told(&connection).await.0, CloseCode::Cluster);
}

#[tokio::test]
async fn streams_of_an_unknown_class_or_twice_the_same_are_refused() {
    for tags in [*b"XC", *b"CC"] {
        let (server, _client, connection) = raw().await;
        for tag in tags {
            connection.open_uni().await.unwrap().write_all(&[tag]).await.unwrap();
        }
        let error = refusal(&server).await;
        assert!(matches!(error, HelloError::Streams { .. }), "{error}");
        assert_eq!(told(&connection).await.0, CloseCode::Violation);
    }
}
