//! Hosts: network namespaces that one bridge joins, each with an address.
//!
//! The bridge is in a namespace of its own, so nothing of all this is seen in the machine's own network, and two stories
//! at once may use the same addresses.

use std::{
    net::Ipv4Addr,
    process::{Child, Command, Output},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, ensure};

use super::{
    cut::Cuts,
    delay::Delay,
    namespace::{Namespace, sweep},
    needs,
};

/// The interface of a host that leads to the others.
pub(super) const INTERFACE: &str = "eth0";
/// The network that all hosts are in: `10.77.0.0/24`.
const NETWORK: [u8; 3] = [10, 77, 0];
/// As many as have an address.
const MOST: usize = 250;

/// What the bridge lets through: all, less what faults forbid. Dropped here, a packet is lost on its way: who sends sees
/// no error, and addresses are still resolved.
const TABLE: &str = "table bridge faults {
  set cut { type ipv4_addr . ipv4_addr; }
  chain loss { }
  chain between {
    type filter hook forward priority 0; policy accept;
    ip saddr . ip daddr @cut counter drop
    meta protocol ip jump loss
  }
}
";

/// Hosts for one story. Dropped, all that runs in them is killed, and they are removed.
#[derive(Debug)]
pub struct Hosts {
    pub(super) cuts: Mutex<Cuts>,
    // Before the hosts: it holds packets of theirs.
    pub(super) delay: Mutex<Option<Delay>>,
    hosts: Vec<Host>,
    pub(super) bridge: Namespace,
}

/// A host: what runs in it has a network of its own, and all else in common with this process.
#[derive(Debug)]
pub struct Host {
    address: Ipv4Addr,
    pub(crate) namespace: Arc<Namespace>,
}

impl Hosts {
    /// Makes so many hosts; `None`, and says so by name, where that cannot be. What test processes that are dead have
    /// left behind is removed first.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(story: &str, count: usize) -> Result<Option<Hosts>> {
        ensure!(count <= MOST, "{count} hosts are asked for, at most {MOST} have an address");
        if !needs::has(story, &["ip", "nft", "iptables"], "iproute2, nftables and iptables")? {
            return Ok(None);
        }
        sweep()?;
        let mut namespaces = match Namespace::add(&names(count)?) {
            Ok(namespaces) => namespaces,
            Err(error) => {
                // Root in a container may be forbidden to.
                needs::skipped(story, &format!("{error:#}"))?;
                return Ok(None);
            }
        };
        let bridge = namespaces.remove(0);
        let with_address =
            |(at, namespace)| Ok(Host { address: address(at)?, namespace: Arc::new(namespace) });
        let hosts = namespaces.into_iter().enumerate().map(with_address).collect::<Result<_>>()?;
        let hosts = Hosts { cuts: Mutex::default(), delay: Mutex::default(), hosts, bridge };
        hosts.join()?;
        Ok(Some(hosts))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.hosts.len()
    }

    /// All of them, in order.
    pub fn all(&self) -> &[Host] {
        &self.hosts
    }

    /// One of them, counted from 0.
    ///
    /// # Panics
    /// There are not so many.
    pub fn host(&self, number: usize) -> &Host {
        &self.hosts[number]
    }

    /// The numbers of all but one: to cut that one off in one direction.
    pub fn others(&self, one: usize) -> Vec<usize> {
        (0..self.count()).filter(|host| *host != one).collect()
    }

    /// Lays the cables.
    fn join(&self) -> Result<()> {
        let mut script = "link add br0 type bridge\nlink set br0 up\n".to_owned();
        for (at, host) in self.hosts.iter().enumerate() {
            let namespace = host.namespace.name();
            script.push_str(&format!("link add v{at} type veth peer name {INTERFACE} netns {namespace}\n"));
            script.push_str(&format!("link set v{at} master br0 up\n"));
        }
        self.bridge.ip(&script)?;
        for Host { address, namespace } in &self.hosts {
            namespace.ip(&format!(
                "link set lo up\naddress add {address}/24 dev {INTERFACE}\nlink set {INTERFACE} up\n"
            ))?;
        }
        self.nft(TABLE)
    }

    /// Changes what the bridge lets through: all of it at once or nothing.
    pub(super) fn nft(&self, script: &str) -> Result<()> {
        self.bridge.succeed(Command::new("nft").args(["-f", "-"]), script).map(drop)
    }
}

impl Host {
    /// Its address: what listens there is reached from the other hosts.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Works on a thread in this host: sockets that it opens, and threads and processes that it starts, are the host's.
    ///
    /// # Errors
    /// The host cannot be entered.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.namespace.inside(work)
    }

    /// Starts a process in this host.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        self.inside(|| command.spawn())?
            .with_context(|| format!("cannot start {command:?} in {}", self.namespace.name()))
    }

    /// Runs a process in this host to its end.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn output(&self, command: &mut Command) -> Result<Output> {
        self.inside(|| command.output())?
            .with_context(|| format!("cannot start {command:?} in {}", self.namespace.name()))
    }

    /// The name of its network namespace, for `ip netns exec`.
    pub fn namespace(&self) -> &str {
        self.namespace.name()
    }
}

/// Names for the namespaces of the bridge and the hosts.
fn names(count: usize) -> Result<Vec<String>> {
    static SERIAL: AtomicUsize = AtomicUsize::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let hosts = (0..count).map(|host| format!("{serial}-{host}"));
    std::iter::once(format!("{serial}-bridge")).chain(hosts).map(|part| Namespace::new_name(&part)).collect()
}

fn address(host: usize) -> Result<Ipv4Addr> {
    let [a, b, c] = NETWORK;
    Ok(Ipv4Addr::new(a, b, c, u8::try_from(host + 1)?))
}
