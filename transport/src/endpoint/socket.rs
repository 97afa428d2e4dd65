//! The UDP socket.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::error::BindError;

pub(super) fn bind(address: SocketAddr, buffer_bytes: usize) -> Result<UdpSocket, BindError> {
    open(address, buffer_bytes).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        io::ErrorKind::PermissionDenied => BindError::NotAllowed { address },
        io::ErrorKind::AddrNotAvailable => BindError::NotHere { address },
        _ => BindError::Socket { address, source },
    })
}

fn open(address: SocketAddr, buffer_bytes: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // IPv4 peers come over the same socket.
        socket.set_only_v6(false)?;
    }
    // Best effort: the system caps what it grants (net.core.rmem_max), and less only costs throughput.
    for granted in [socket.set_recv_buffer_size(buffer_bytes), socket.set_send_buffer_size(buffer_bytes)] {
        if let Err(error) = granted {
            tracing::debug!(%error, buffer_bytes, "the system does not grant the socket buffer");
        }
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
