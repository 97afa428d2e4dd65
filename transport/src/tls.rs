//! Mutual TLS 1.3 inside one cluster: its certificate authority, the identities that it issues, and the rustls
//! configurations that accept nothing else. The only module that touches keys.
//!
//! Who a peer is comes from its verified certificate alone, never from what it says. An identity is replaced by
//! issuing another and giving it to [`crate::endpoint::Endpoint::set_identity`]: connections made from then on use
//! it, those that are open go on until they close.

mod authority;
mod identity;
mod name;
mod private_file;
mod verify;

pub use authority::{CaCert, ClusterCa, Fingerprint, Validity};
pub use identity::Identity;
pub use name::{PeerId, Role};
pub(crate) use verify::{TlsConfigs, identify};
