//! Carries typed messages between the machines of a cluster: QUIC with mutual TLS, framed `rmp-serde`.
//! Knows nothing of what the messages mean.

pub mod error;
pub mod frame;
