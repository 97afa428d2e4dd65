//! Three real controllers with their gateways, in one process.

use crate::harness::{Server, config, job};
use serde_json::json;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tidegate_controller::{ControllerConfig, JoinBundle, found};
use tidegate_scheduler::ids::ControllerId;

pub(crate) const LONGEST: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    servers: Vec<Option<Server>>,
    configs: Vec<ControllerConfig>,
    folder: TempDir,
}

impl Cluster {
    /// Three that have elected a leader, with a pool that never gets a node.
    pub(crate) fn start() -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let addresses = free_ports();
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let mut configs = Vec::new();
        for (bundle, listen) in found("test", &texts).unwrap().iter().zip(addresses) {
            let data = folder.path().join(format!("c{}", bundle.id));
            bundle.install(&data).unwrap();
            configs.push(config(&data, listen));
        }
        let servers = configs.iter().map(|config| Some(Server::of(config.clone()))).collect();
        let cluster = Cluster { servers, configs, folder };
        let made = cluster.any().put("/pools/default", &json!({"type": "amlcompute", "max_instances": 0}));
        assert_eq!(made.status, 200, "{made:?}");
        cluster
    }

    /// One that runs.
    pub(crate) fn any(&self) -> &Server {
        self.servers.iter().flatten().next().expect("one runs")
    }

    /// The number of the leader, once all that run agree on one of them.
    pub(crate) fn leader(&self) -> u64 {
        let agreed = || {
            let mut known = self.servers.iter().flatten().map(|server| {
                let now = *server.controller().leadership().borrow();
                now.leader.filter(|leader| *leader != now.own || now.leading)
            });
            let first: ControllerId = known.next()??;
            (known.all(|leader| leader == Some(first)) && self.servers[first.0 as usize - 1].is_some())
                .then_some(first.0)
        };
        wait_for("a leader", agreed)
    }

    pub(crate) fn server(&self, id: u64) -> &Server {
        self.servers[id as usize - 1].as_ref().expect("it runs")
    }

    /// Those that follow this leader.
    pub(crate) fn followers(&self, leader: u64) -> Vec<&Server> {
        let running = self.servers.iter().enumerate().filter(|(at, _)| *at as u64 + 1 != leader);
        running.filter_map(|(_, server)| server.as_ref()).collect()
    }

    pub(crate) fn stop(&mut self, id: u64) {
        drop(self.servers[id as usize - 1].take().expect("it runs"));
    }

    pub(crate) fn start_again(&mut self, id: u64) {
        self.servers[id as usize - 1] = Some(Server::of(self.configs[id as usize - 1].clone()));
    }

    /// One more, from its join bundle.
    pub(crate) fn join(&self, bundle: &JoinBundle) -> Server {
        let data = self.folder.path().join(format!("c{}", bundle.id));
        bundle.install(&data).unwrap();
        Server::of(config(&data, SocketAddr::from(([127, 0, 0, 1], 0))))
    }

    /// Takes one out, to be stopped meanwhile.
    pub(crate) fn take(&mut self, id: u64) -> Server {
        self.servers[id as usize - 1].take().expect("it runs")
    }
}

/// Ports that are free now, and are not given out again soon.
fn free_ports() -> Vec<SocketAddr> {
    let sockets: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind(("127.0.0.1", 0)).unwrap()).collect();
    sockets.iter().map(|socket| socket.local_addr().unwrap()).collect()
}

pub(crate) fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let until = Instant::now() + LONGEST;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Queues a run; the answer must be that it is queued.
pub(crate) fn submit(server: &Server, name: &str, count: u32) {
    let answer = server.post("/runs", &json!({"name": name, "job": job(), "count": count}));
    assert_eq!(answer.status, 201, "{answer:?}");
}
