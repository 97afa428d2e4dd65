//! Two endpoints of one cluster, and a link between them.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tidegate_transport::{
    config::Config,
    endpoint::Endpoint,
    link::Link,
    tls::{ClusterCa, Role},
};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Waits for what must come; a minute is a failure.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(value) => value,
        Err(_) => panic!("still waiting for {what}"),
    }
}

pub(crate) struct Pair {
    pub(crate) ca: ClusterCa,
    pub(crate) controller: Endpoint,
    pub(crate) worker: Endpoint,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(Config::default(), Config::default())
    }

    pub(crate) fn with(controller: Config, worker: Config) -> Self {
        let ca = ClusterCa::create("test").unwrap();
        let bind = |role, name, config| {
            Endpoint::bind(any_port(), &ca.issue(role, name, HOUR).unwrap(), ca.cert(), config).unwrap()
        };
        let controller = bind(Role::Controller, "c-1", controller);
        let worker = bind(Role::Worker, "w-1", Config { accept: Vec::new(), ..worker });
        Self { ca, controller, worker }
    }

    /// The worker's end and the controller's.
    pub(crate) async fn link(&self) -> (Link, Link) {
        let address = self.controller.local_addr().unwrap();
        let both =
            async { tokio::join!(self.worker.connect(address, Role::Controller), self.controller.accept()) };
        let (dialed, accepted) = soon("a link", both).await;
        (dialed.unwrap(), accepted.unwrap().unwrap())
    }
}
