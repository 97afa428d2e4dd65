//! Carries typed messages between the machines of a cluster: QUIC with mutual TLS, framed `rmp-serde`.
//! Knows nothing of what the messages mean.
//!
//! ```text
//!  ClusterCa ── issue ──▶ Identity          tls      who a machine is, proven
//!                            │
//!  Endpoint::bind ◀──────────┘              endpoint one UDP socket
//!     │ accept / connect (Dialer: for ever) dial     reconnects
//!     ▼
//!  version handshake                        hello
//!     ▼
//!  Link ── send / recv by Class             link     messages, ordered, bounded
//!       └─ open_bulk / accept_bulk          bulk     large things, one stream each
//! ```

pub mod bulk;
pub mod close;
pub mod config;
pub mod dial;
pub mod endpoint;
pub mod error;
pub mod frame;
pub mod hello;
pub mod link;
pub mod tls;
