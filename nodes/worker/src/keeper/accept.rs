//! The agent's side of the socket: who may connect, the hello, and the reading of orders.

use std::{
    fs, io,
    io::Read,
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::{fs::Mode, net::sockopt, process::umask};
use tidegate_transport::frame::Decoder;

use super::{
    Keeper, orders,
    protocol::{FRAME_MAX_BYTES, FromKeeper, ToKeeper, VERSION},
};

/// Who connects says hello within this time.
const HELLO: Duration = Duration::from_secs(10);
/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// Listens on the socket, which only its owner can open, in the place of a dead keeper's. To be called before there
/// are threads: the file mode mask is the whole process's.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Takes one connection, if there is one, and reads it in a thread of its own. `number` rises with each.
pub(super) fn accept(keeper: &Arc<Keeper>, listener: &UnixListener, number: u64) -> io::Result<()> {
    let stream = match listener.accept() {
        Ok((stream, _)) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    // The listener's mode is not inherited on Linux; said, not assumed.
    stream.set_nonblocking(false)?;
    let peer = sockopt::socket_peercred(stream.as_fd())?.uid;
    if !peer.is_root() && peer != rustix::process::geteuid() {
        tracing::warn!(uid = peer.as_raw(), "a connection of another user is refused");
        return Ok(());
    }
    let keeper = keeper.clone();
    let serve = move || {
        let agent = Arc::new(stream);
        if let Err(error) = serve(&keeper, &agent, number) {
            tracing::warn!(%error, "the connection to an agent ends");
        }
        keeper.link.gone(&agent);
        keeper.wake();
    };
    thread::Builder::new().name("agent".to_owned()).spawn(serve)?;
    Ok(())
}

fn serve(keeper: &Arc<Keeper>, agent: &Arc<UnixStream>, number: u64) -> io::Result<()> {
    let mut decoder = Decoder::new(FRAME_MAX_BYTES);
    let mut buffer = vec![0; READ_BYTES];
    let mut known = false;
    agent.set_read_timeout(Some(HELLO))?;
    loop {
        let count = match (&**agent).read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        decoder.push(&buffer[..count]);
        while let Some(order) = decoder.next().map_err(io::Error::other)? {
            match order {
                ToKeeper::Hello { version } if !known => {
                    known = true;
                    agent.set_read_timeout(None)?;
                    if !keeper.link.replace(agent.clone(), number, welcome(keeper)) {
                        tracing::info!(version, "an agent said hello after a later one: it is not heard");
                        return Ok(());
                    }
                    tracing::info!(version, "an agent has connected");
                }
                _ if !known => return Err(io::Error::other("the first message is not a hello")),
                order => {
                    if !keeper.link.obey(agent, || orders::carry_out(keeper, order)) {
                        tracing::info!("what an agent has left unread is void: another took its place");
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn welcome(keeper: &Keeper) -> FromKeeper {
    FromKeeper::Welcome { version: VERSION, pid: std::process::id(), confinement: keeper.confinement.clone() }
}
