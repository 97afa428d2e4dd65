use std::time::{Duration, SystemTime};

use tidegate_transport::{
    close::{CloseCode, CloseReason},
    config::Config,
    endpoint::Endpoint,
    error::{AcceptError, BindError, ConnectError, HelloError},
    link::Class,
    tls::{CaCert, ClusterCa, Identity, PeerId, Role, Validity},
};

use crate::pair::{HOUR, Pair, any_port, soon};

fn bind(identity: &Identity, ca: &CaCert, config: Config) -> Endpoint {
    Endpoint::bind(any_port(), identity, ca, config).unwrap()
}

fn expired(ca: &ClusterCa, role: Role) -> Identity {
    let now = SystemTime::now();
    let validity = Validity { not_before: now - 2 * HOUR, not_after: now - HOUR };
    ca.issue_within(role, "old", validity).unwrap()
}

/// Lets `client` dial `server`, where both must fail.
async fn refused(client: &Endpoint, server: &Endpoint, expected: Role) -> (ConnectError, AcceptError) {
    let address = server.local_addr().unwrap();
    let both = async { tokio::join!(client.connect(address, expected), server.accept()) };
    let (dialed, accepted) = soon("both sides to refuse", both).await;
    (dialed.unwrap_err(), accepted.unwrap().unwrap_err())
}

fn dialer_refuses(error: &ConnectError) -> &str {
    match error {
        ConnectError::Refused { reason: CloseReason::Untrusted { reason }, .. } => reason,
        other => panic!("not refused by the dialer: {other}"),
    }
}

fn dialer_is_refused(error: &ConnectError) -> &str {
    match error {
        ConnectError::Refused { reason: CloseReason::Rejected { reason }, .. } => reason,
        other => panic!("not refused by the other side: {other}"),
    }
}

#[tokio::test]
async fn each_side_knows_the_other_by_its_certificate() {
    let config = Config { build: "b1".into(), payload: vec![1, 2], ..Config::default() };
    let pair = Pair::with(config, Config { protocol_max: 7, ..Config::default() });
    let (near, far) = pair.link().await;
    assert_eq!(near.peer(), &PeerId::new("test", Role::Controller, "c-1").unwrap());
    assert_eq!(far.peer(), &PeerId::new("test", Role::Worker, "w-1").unwrap());
    assert_eq!((near.protocol(), far.protocol()), (2, 2));
    assert_eq!((near.hello().build.as_str(), near.hello().payload.as_slice()), ("b1", &[1, 2][..]));
    assert_eq!(near.remote_addr(), pair.controller.local_addr().unwrap());
    assert!(near.rtt() > Duration::ZERO);
}

#[tokio::test]
async fn another_authority_of_the_same_name_is_refused() {
    let (ca, other) = (ClusterCa::create("test").unwrap(), ClusterCa::create("test").unwrap());
    let server = bind(&ca.issue(Role::Controller, "c", HOUR).unwrap(), ca.cert(), Config::default());
    let client = bind(&other.issue(Role::Worker, "w", HOUR).unwrap(), other.cert(), Config::default());
    let (dialed, accepted) = refused(&client, &server, Role::Controller).await;
    assert!(dialer_refuses(&dialed).contains("BadSignature"), "{dialed}");
    assert!(matches!(accepted.source, HelloError::Closed(CloseReason::Rejected { .. })), "{accepted}");

    // One that trusts the server's authority, yet has its identity from another.
    let stranger = other.issue(Role::Worker, "w", HOUR).unwrap();
    let client = bind(&stranger, ca.cert(), Config::default());
    let (dialed, accepted) = refused(&client, &server, Role::Controller).await;
    dialer_is_refused(&dialed);
    assert!(accepted.to_string().contains("BadSignature"), "{accepted}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_on_either_side() {
    let ca = ClusterCa::create("test").unwrap();
    let fresh = |role| bind(&ca.issue(role, "new", HOUR).unwrap(), ca.cert(), Config::default());
    let old = |role| bind(&expired(&ca, role), ca.cert(), Config::default());

    let (dialed, _) = refused(&fresh(Role::Worker), &old(Role::Controller), Role::Controller).await;
    assert!(dialer_refuses(&dialed).to_lowercase().contains("expired"), "{dialed}");

    let (dialed, accepted) = refused(&old(Role::Worker), &fresh(Role::Controller), Role::Controller).await;
    dialer_is_refused(&dialed);
    assert!(accepted.to_string().to_lowercase().contains("expired"), "{accepted}");
}

#[tokio::test]
async fn a_worker_is_no_controller() {
    let ca = ClusterCa::create("test").unwrap();
    let worker = || bind(&ca.issue(Role::Worker, "w", HOUR).unwrap(), ca.cert(), Config::default());
    let (dialed, _) = refused(&worker(), &worker(), Role::Controller).await;
    assert!(dialer_refuses(&dialed).contains("tidegate://test/worker/w"), "{dialed}");

    let peers_only = Config { accept: vec![Role::Controller], ..Config::default() };
    let server = bind(&ca.issue(Role::Controller, "c", HOUR).unwrap(), ca.cert(), peers_only);
    let (dialed, accepted) = refused(&worker(), &server, Role::Controller).await;
    dialer_is_refused(&dialed);
    assert!(accepted.to_string().contains("only the roles [Controller]"), "{accepted}");
}

#[tokio::test]
async fn an_identity_of_another_cluster_cannot_even_bind() {
    let (ca, other) = (ClusterCa::create("test").unwrap(), ClusterCa::create("other").unwrap());
    let stranger = other.issue(Role::Controller, "c", HOUR).unwrap();
    let error = Endpoint::bind(any_port(), &stranger, ca.cert(), Config::default()).unwrap_err();
    assert!(error.to_string().contains("not of the cluster `test`"), "{error}");
}

#[tokio::test]
async fn another_cluster_is_refused() {
    let (ca, other) = (ClusterCa::create("test").unwrap(), ClusterCa::create("other").unwrap());
    let server = bind(&ca.issue(Role::Controller, "c", HOUR).unwrap(), ca.cert(), Config::default());
    let client = bind(&other.issue(Role::Worker, "w", HOUR).unwrap(), other.cert(), Config::default());
    let (dialed, _) = refused(&client, &server, Role::Controller).await;
    assert!(dialer_refuses(&dialed).contains("UnknownIssuer"), "{dialed}");
}

#[tokio::test]
async fn versions_that_do_not_meet_are_told_to_both() {
    let old = Config { protocol_min: 1, protocol_max: 2, build: "old".into(), ..Config::default() };
    let new = Config { protocol_min: 3, protocol_max: 4, build: "new".into(), ..Config::default() };
    let pair = Pair::with(old, new);
    let (dialed, accepted) = refused(&pair.worker, &pair.controller, Role::Controller).await;
    for error in [dialed.to_string(), accepted.to_string()] {
        assert!(error.contains("1 to 2 (build old)") && error.contains("3 to 4 (build new)"), "{error}");
    }
}

#[tokio::test]
async fn a_new_identity_serves_new_links_and_leaves_old_ones() {
    let pair = Pair::new();
    let (near, far) = pair.link().await;
    pair.controller.set_identity(&pair.ca.issue(Role::Controller, "c-2", HOUR).unwrap()).unwrap();
    pair.worker.set_identity(&pair.ca.issue(Role::Worker, "w-2", HOUR).unwrap()).unwrap();
    let (near2, far2) = pair.link().await;
    assert_eq!((near2.peer().name.as_str(), far2.peer().name.as_str()), ("c-2", "w-2"));
    near.send(Class::Control, "still here").await.unwrap();
    let heard: String = soon("the old link", far.recv(Class::Control)).await.unwrap();
    assert_eq!(heard, "still here");

    // An identity that has expired does not live on in a resumed session.
    pair.worker.set_identity(&expired(&pair.ca, Role::Worker)).unwrap();
    let (dialed, _) = refused(&pair.worker, &pair.controller, Role::Controller).await;
    dialer_is_refused(&dialed);
    let stranger = ClusterCa::create("other").unwrap().issue(Role::Worker, "w", HOUR).unwrap();
    pair.worker.set_identity(&stranger).unwrap_err();
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let pair = Pair::new();
    let taken = pair.controller.local_addr().unwrap();
    let identity = pair.ca.issue(Role::Controller, "c", HOUR).unwrap();
    let error = Endpoint::bind(taken, &identity, pair.ca.cert(), Config::default()).unwrap_err();
    assert!(matches!(error, BindError::InUse { address } if address == taken));
    let text = error.to_string();
    assert!(text.contains(&taken.port().to_string()) && text.contains("127.0.0.1"), "{text}");
    assert!(text.contains("choose another address"), "{text}");
}

#[tokio::test]
async fn closing_tells_the_peer_why() {
    let pair = Pair::new();
    let (near, far) = pair.link().await;
    far.close(CloseCode::Replaced, "a newer link");
    let told = CloseReason::Peer { code: CloseCode::Replaced, reason: "a newer link".into() };
    assert_eq!(soon("the close", near.closed()).await, told);
    let own = CloseReason::Here { code: CloseCode::Replaced, reason: "a newer link".into() };
    assert_eq!(far.close_reason(), Some(own));
    assert!(near.send(Class::Control, &1).await.is_err() || near.close_reason().is_some());

    let (near, far) = pair.link().await;
    soon("the endpoint to close", pair.controller.close("stopping")).await;
    let told = CloseReason::Peer { code: CloseCode::Shutdown, reason: "stopping".into() };
    assert_eq!(soon("the close", near.closed()).await, told);
    assert!(soon("the end", pair.controller.accept()).await.is_none());
    drop(far);
    let address = pair.controller.local_addr().unwrap();
    let gone = soon("the dial", pair.controller.connect(address, Role::Controller)).await.unwrap_err();
    assert!(matches!(gone, ConnectError::EndpointClosed), "{gone}");
}
