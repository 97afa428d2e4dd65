use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tidegate_transport::{
    close::CloseReason,
    config::Config,
    dial::{DialError, DialPolicy, Dialed, Dialer},
    endpoint::Endpoint,
    error::{BindError, ConnectError},
    link::Class,
    tls::{CaCert, ClusterCa, Identity, Role},
};
use tokio::runtime::{Builder, Runtime};

use crate::pair::{HOUR, any_port, soon};

/// A controller in a runtime of its own, so that it can vanish as a killed process does: without a word.
struct Controller {
    runtime: Runtime,
    endpoint: Endpoint,
}

impl Controller {
    /// Binds `address`, once the system has released it, and answers every message with itself.
    fn start(address: SocketAddr, identity: &Identity, ca: &CaCert, config: Config) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let bind = || {
            let _inside = runtime.enter();
            Endpoint::bind(address, identity, ca, config.clone())
        };
        let endpoint = loop {
            match bind() {
                Ok(endpoint) => break endpoint,
                Err(BindError::InUse { .. }) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        };
        runtime.spawn({
            let endpoint = endpoint.clone();
            async move {
                while let Some(accepted) = endpoint.accept().await {
                    let Ok(link) = accepted else { continue };
                    tokio::spawn(async move {
                        while let Ok(number) = link.recv::<u64>(Class::Control).await {
                            link.send(Class::Control, &number).await.unwrap();
                        }
                    });
                }
            }
        });
        Self { runtime, endpoint }
    }

    fn address(&self) -> SocketAddr {
        self.endpoint.local_addr().unwrap()
    }

    fn vanish(self) {
        self.runtime.shutdown_timeout(Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_peer_that_restarts_on_its_port_is_found_long_before_the_idle_timeout() {
    // Only a reset can tell so soon that the old connection is forgotten.
    let patient = Config { idle_timeout: Duration::from_secs(600), ..Config::default() };
    let ca = ClusterCa::create("test").unwrap();
    let identity = ca.issue(Role::Controller, "c-1", HOUR).unwrap();
    let first = Controller::start(any_port(), &identity, ca.cert(), patient.clone());
    let address = first.address();
    let worker = ca.issue(Role::Worker, "w-1", HOUR).unwrap();
    let endpoint = Endpoint::bind(any_port(), &worker, ca.cert(), patient.clone()).unwrap();
    let mut dialer = Dialer::new(endpoint, Role::Controller, DialPolicy::new(1), async || Ok(address));

    let link = soon("the first link", dialer.link()).await;
    link.send(Class::Control, &1u64).await.unwrap();
    assert_eq!(soon("an answer", link.recv::<u64>(Class::Control)).await.unwrap(), 1);

    tokio::task::spawn_blocking(move || first.vanish()).await.unwrap();
    let second = {
        let (identity, ca) = (identity.clone(), ca.cert().clone());
        tokio::task::spawn_blocking(move || Controller::start(address, &identity, &ca, patient))
            .await
            .unwrap()
    };
    assert_eq!(soon("the reset", link.closed()).await, CloseReason::Reset);
    let again = soon("the second link", dialer.link()).await;
    again.send(Class::Control, &2u64).await.unwrap();
    assert_eq!(soon("an answer", again.recv::<u64>(Class::Control)).await.unwrap(), 2);
    drop((link, again, dialer));
    tokio::task::spawn_blocking(move || second.vanish()).await.unwrap();
}

#[tokio::test]
async fn the_address_is_read_anew_before_every_try() {
    let ca = ClusterCa::create("test").unwrap();
    let bind = |role, name| {
        Endpoint::bind(any_port(), &ca.issue(role, name, HOUR).unwrap(), ca.cert(), Config::default())
            .unwrap()
    };
    let (controller, worker) = (bind(Role::Controller, "c"), bind(Role::Worker, "w"));
    let place = Arc::new(Mutex::new(None));
    let asked = place.clone();
    let mut dialer = Dialer::new(worker, Role::Controller, DialPolicy::new(1), move || {
        let place = *asked.lock().unwrap();
        async move { place.ok_or_else(|| std::io::Error::other("not known yet")) }
    });
    for tries in 1..=2 {
        match soon("a try", dialer.next()).await {
            Dialed::Failed(failure) => {
                assert_eq!(failure.tries, tries);
                assert!(matches!(failure.error, DialError::Address(_)), "{}", failure.error);
            }
            Dialed::Up(link) => panic!("{link:?}"),
        }
    }
    *place.lock().unwrap() = Some(controller.local_addr().unwrap());
    assert!(matches!(soon("a try", dialer.next()).await, Dialed::Up(_)));
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let ca = ClusterCa::create("test").unwrap();
    let silent = std::net::UdpSocket::bind(any_port()).unwrap();
    let address = silent.local_addr().unwrap();
    let hasty = Config { handshake_timeout: Duration::from_millis(200), ..Config::default() };
    let worker = ca.issue(Role::Worker, "w", HOUR).unwrap();
    let endpoint = Endpoint::bind(any_port(), &worker, ca.cert(), hasty).unwrap();
    let error = soon("the end", endpoint.connect(address, Role::Controller)).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoAnswer { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
