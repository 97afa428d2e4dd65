//! QUIC's own settings, from ours.

use std::{sync::Arc, time::Duration};

use quinn::{
    ClientConfig, EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
    rustls,
};
use quinn_proto::HashedConnectionIdGenerator;

use crate::{config::Config, error::TlsError, tls::Identity};

/// The streams of a link that are always there: two of messages, one for the version handshake.
const FIXED_STREAMS: u64 = 3;

pub(super) fn transport(config: &Config) -> TransportConfig {
    let window = config.stream_window as u64;
    let bulk = u64::from(config.max_bulk_streams);
    // Room for every stream's window at once: bulk streams that nobody reads cannot use up what messages need.
    let connection_window = window * (bulk + FIXED_STREAMS);
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(2))
        .max_concurrent_bidi_streams(VarInt::from_u32(config.max_bulk_streams + 1))
        .stream_receive_window(varint(window))
        .receive_window(varint(connection_window))
        .send_window(config.send_window as u64)
        .keep_alive_interval(Some(config.keep_alive))
        .max_idle_timeout(Some(idle_timeout(config.idle_timeout)))
        .initial_rtt(config.initial_rtt)
        .datagram_receive_buffer_size(None);
    transport
}

fn varint(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap_or(VarInt::MAX)
}

fn idle_timeout(timeout: Duration) -> IdleTimeout {
    // A validated timeout is at most an hour, in milliseconds far below QUIC's limit.
    IdleTimeout::try_from(timeout).unwrap_or_else(|_| IdleTimeout::from(VarInt::MAX))
}

/// Settings by which a process that was killed and started again can tell its peers at once that it has forgotten
/// their connections (a stateless reset), rather than let them wait for the idle timeout: connection ids and reset
/// tokens come from keys that the identity fixes.
pub(super) fn endpoint(identity: &Identity) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(identity.derived_key(b"quic reset tokens")));
    let ids = ring::hmac::sign(&identity.derived_key(b"quic connection ids"), b"key");
    let id_key = ids.as_ref().iter().take(8).fold(0, |key, &byte| key << 8 | u64::from(byte));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(id_key)));
    config
}

pub(super) fn server(
    tls: Arc<rustls::ServerConfig>,
    transport: &Arc<TransportConfig>,
    config: &Config,
) -> Result<ServerConfig, TlsError> {
    let crypto = QuicServerConfig::try_from(tls)
        .map_err(|error| TlsError::Certificate { reason: error.to_string() })?;
    let mut server = ServerConfig::with_crypto(Arc::new(crypto));
    server.transport_config(transport.clone()).max_incoming(config.max_handshakes);
    Ok(server)
}

pub(super) fn client(
    tls: Arc<rustls::ClientConfig>,
    transport: &Arc<TransportConfig>,
) -> Result<ClientConfig, String> {
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| error.to_string())?;
    let mut client = ClientConfig::new(Arc::new(crypto));
    client.transport_config(transport.clone());
    Ok(client)
}
