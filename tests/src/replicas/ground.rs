//! Where controllers and nodes are: all on one machine's loopback, or in hosts that can be cut from each other.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output},
};

use anyhow::{Context, Result, ensure};

use crate::{Caller, faults::Hosts, wait};

/// The first port; on loopback each controller has its own, by UDP for controllers and workers, by TCP for clients.
const PORT: u16 = 8771;
/// How many ports of an address are tried before it is taken.
const PORTS: u16 = 16;

#[derive(Debug)]
pub(super) enum Ground {
    /// An address of loopback that no other story has: no port of it can be taken by a connection of somebody else's
    /// while a controller is away.
    Loopback(Ipv4Addr),
    /// The first hosts are for controllers, all others for nodes.
    Hosts { hosts: Hosts, controllers: usize },
}

impl Ground {
    pub(super) fn loopback(count: usize) -> Result<Ground> {
        ensure!(count <= usize::from(PORTS) / 2, "{count} controllers are more than a story needs");
        let address = wait::until("an address of loopback that nobody uses", || {
            let [a, b, c] = rand::random::<[u8; 3]>();
            let address = Ipv4Addr::new(127, a | 64, b, c.clamp(1, 254));
            let is_free = |port| {
                let at = (address, port);
                TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
            };
            Ok((PORT..PORT + PORTS).all(is_free).then_some(address))
        })?;
        Ok(Ground::Loopback(address))
    }

    pub(super) fn hosts(hosts: Hosts, controllers: usize) -> Result<Ground> {
        ensure!(hosts.count() > controllers, "of {} hosts, none is left for nodes", hosts.count());
        Ok(Ground::Hosts { hosts, controllers })
    }

    pub(super) fn as_hosts(&self) -> Option<&Hosts> {
        match self {
            Ground::Loopback(_) => None,
            Ground::Hosts { hosts, .. } => Some(hosts),
        }
    }

    /// Where others reach a controller.
    pub(super) fn listen(&self, at: usize) -> SocketAddr {
        match self {
            Ground::Loopback(address) => SocketAddr::new(IpAddr::V4(*address), own_port(at)),
            Ground::Hosts { hosts, .. } => SocketAddr::new(IpAddr::V4(hosts.host(at).address()), PORT),
        }
    }

    /// Where its clients reach it: a host's own loopback, as gateways listen nowhere else.
    fn http(&self, at: usize) -> SocketAddr {
        match self {
            Ground::Loopback(_) => self.listen(at),
            Ground::Hosts { .. } => SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
        }
    }

    pub(super) fn caller(&self, at: usize, token: &str) -> Caller {
        let caller = Caller::new(self.http(at), token);
        match self {
            Ground::Loopback(_) => caller,
            Ground::Hosts { hosts, .. } => caller.inside(hosts.host(at)),
        }
    }

    /// A controller's configuration.
    pub(super) fn configuration(
        &self,
        at: usize,
        data: &Path,
        nodes_data: &Path,
        home: &Path,
    ) -> Result<String> {
        let mut text = format!(
            "data = {data:?}\nlisten = \"{}\"\nhttp = \"{}\"\nnodes = {:?}\n",
            self.listen(at),
            self.http(at),
            nodes_data.join("nodes")
        );
        if let Ground::Hosts { hosts, controllers } = self {
            let launcher = home.join("launcher");
            write_launcher(&launcher, hosts, *controllers)?;
            text.push_str(&format!("[workers]\nlauncher = [{launcher:?}, \"{{node}}\"]\n"));
        }
        Ok(text)
    }

    pub(super) fn spawn(&self, at: usize, command: &mut Command) -> Result<Child> {
        match self {
            Ground::Loopback(_) => command.spawn().with_context(|| format!("cannot start {command:?}")),
            Ground::Hosts { hosts, .. } => hosts.host(at).spawn(command),
        }
    }

    pub(super) fn output(&self, at: usize, command: &mut Command) -> Result<Output> {
        match self {
            Ground::Loopback(_) => command.output().with_context(|| format!("cannot start {command:?}")),
            Ground::Hosts { hosts, .. } => hosts.host(at).output(command),
        }
    }
}

fn own_port(at: usize) -> u16 {
    PORT + at as u16
}

/// A program that becomes what its later arguments say, in the host of the node whose number comes first. Not by `ip netns
/// exec`, which hides the cgroups.
fn write_launcher(path: &Path, hosts: &Hosts, controllers: usize) -> Result<()> {
    let places = hosts.count() - controllers;
    let cases: String = (0..places)
        .map(|place| format!("{place}) host={} ;;\n", hosts.host(controllers + place).namespace()))
        .collect();
    let text = format!(
        "#!/bin/sh\nnumber=$1\nshift\ncase $(((number - 1) % {places})) in\n{cases}esac\n\
         exec nsenter --net=/run/netns/$host \"$@\"\n"
    );
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o700))?)
}
