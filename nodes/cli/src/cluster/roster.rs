//! Which controllers a data folder has: chosen at its first start, and kept in its file `cluster.toml`.

use crate::client::new_key;
use crate::context::write_private;
use crate::failure::Failure;
use crate::server::CLUSTER;
use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use tidegate_controller::found;
use tidegate_gateway::GatewaySocket;

const FILE: &str = "cluster.toml";
/// Where controllers talk with each other, all on this machine.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The largest file that is read.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// The controllers of a data folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Roster {
    pub(super) seats: Vec<Seat>,
}

/// One of them: the place stays, who sits there may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seat {
    /// From 1; its folder is `c` and this number.
    pub(super) number: u32,
    /// The controller that sits there.
    pub(super) id: u64,
    /// Its port for other controllers and workers.
    pub(super) listen: SocketAddr,
    /// Its port for clients.
    pub(super) http: SocketAddr,
    /// Under this key the cluster was asked for a controller in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replacing: Option<String>,
    /// It was removed from the cluster: nobody sits there any more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) removed: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Seat {
    /// Its data folder.
    pub(super) fn data(&self, folder: &Path) -> PathBuf {
        folder.join(format!("c{}", self.number))
    }

    /// What makes that folder a controller's.
    pub(super) fn bundle(&self, folder: &Path) -> PathBuf {
        folder.join(format!("c{}.join", self.number))
    }

    /// What its process says.
    pub(super) fn log(&self, folder: &Path) -> PathBuf {
        folder.join(format!("c{}.log", self.number))
    }

    /// Where clients find it.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The key under which another controller is asked for; the same until there is one.
    pub(super) fn key(&mut self) -> String {
        self.replacing.get_or_insert_with(new_key).clone()
    }
}

impl Roster {
    /// That of a folder; nothing where it has none.
    pub(crate) fn load(folder: &Path) -> anyhow::Result<Option<Roster>> {
        let path = folder.join(FILE);
        let doing = || format!("cannot read {}", path.display());
        match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(doing),
            Ok(metadata) if metadata.len() > FILE_MAX_BYTES => {
                return Err(anyhow!("{} is too large for a list of controllers", path.display()));
            }
            Ok(_) => {}
        }
        let text = fs::read_to_string(&path).with_context(doing)?;
        toml::from_str(&text).map(Some).map_err(|error| anyhow!("{}: {error}", path.display()))
    }

    /// Writes it into the folder.
    pub(super) fn save(&self, folder: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self).context("a list of controllers is always TOML")?;
        write_private(&folder.join(FILE), text.as_bytes())
    }

    /// Chooses ports for a new cluster, and writes a bundle for each of its controllers; the list itself comes last, so
    /// that what a crash leaves before counts for nothing.
    pub(super) fn found(folder: &Path, count: usize, http: SocketAddr) -> Result<Roster, Failure> {
        let seats = seats(count, http)?;
        let addresses: Vec<String> = seats.iter().map(|seat| seat.listen.to_string()).collect();
        let bundles = found(CLUSTER, &addresses).map_err(anyhow::Error::from)?;
        for (seat, bundle) in seats.iter().zip(bundles) {
            let path = seat.bundle(folder);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(anyhow::Error::from(error)
                        .context(format!("cannot remove {}", path.display()))
                        .into());
                }
                _ => {}
            }
            bundle.save(&path).map_err(anyhow::Error::from)?;
        }
        let roster = Roster { seats };
        roster.save(folder)?;
        Ok(roster)
    }

    /// The seats that somebody sits in.
    pub(super) fn taken(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| !seat.removed)
    }

    /// The seat with this number.
    pub(super) fn seat(&mut self, number: u32) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.number == number)
    }
}

/// So many seats at free ports. The first one's for clients is the one asked for.
fn seats(count: usize, http: SocketAddr) -> Result<Vec<Seat>, Failure> {
    // Held until all are chosen: none is chosen twice.
    let mut held = Vec::new();
    let mut seats = Vec::new();
    let first = GatewaySocket::bind(http).map_err(anyhow::Error::from)?;
    for number in 1..=u32::try_from(count).unwrap_or(u32::MAX) {
        let doing = "cannot find free ports";
        let wanted = SocketAddr::new(http.ip(), 0);
        let (quic, web) =
            (UdpSocket::bind((LOOPBACK, 0)).context(doing)?, TcpListener::bind(wanted).context(doing)?);
        let listen = quic.local_addr().context(doing)?;
        let chosen = web.local_addr().context(doing)?;
        let http = if number == 1 && http.port() != 0 { http } else { chosen };
        seats.push(Seat { number, id: u64::from(number), listen, http, replacing: None, removed: false });
        held.push((quic, web));
    }
    drop(first);
    Ok(seats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_cluster_has_ports_and_secrets_of_its_own_and_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        let any = SocketAddr::new(LOOPBACK, 0);
        assert!(Roster::load(folder.path()).unwrap().is_none());
        let mut roster = Roster::found(folder.path(), 3, any).unwrap();
        let ports: BTreeSet<u16> = roster.seats.iter().map(|seat| seat.http.port()).collect();
        assert!(ports.len() == 3 && !ports.contains(&0));
        for seat in &roster.seats {
            let mode = fs::metadata(seat.bundle(folder.path())).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let key = roster.seat(2).unwrap().key();
        assert_eq!(roster.seat(2).unwrap().key(), key, "it is asked for under one key");
        roster.seat(3).unwrap().removed = true;
        roster.save(folder.path()).unwrap();
        let again = Roster::load(folder.path()).unwrap().unwrap();
        assert_eq!(again.seats, roster.seats);
        assert_eq!(again.taken().count(), 2);
    }

    #[test]
    fn what_a_crash_left_before_the_list_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("c1.join"), "half").unwrap();
        Roster::found(folder.path(), 3, SocketAddr::new(LOOPBACK, 0)).unwrap();
        assert!(fs::read_to_string(folder.path().join("c1.join")).unwrap().contains("founders"));
    }

    #[test]
    fn a_port_in_use_is_told_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let failure = Roster::found(folder.path(), 3, taken.local_addr().unwrap()).unwrap_err();
        assert!(failure.to_string().contains("in use by another program"), "{failure}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
