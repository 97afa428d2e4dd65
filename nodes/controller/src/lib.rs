//! The controller: actors around the scheduler's core, and what they keep on disk.
//!
//! ```text
//! clients ─┐                    ┌─ disk     the durable log, one sync for all that gathered
//! workers ─┼─ Input ─▶ core ─▶ ─┼─ history  a projection into SQLite
//! providers┘   (one actor)      ├─ link     one a worker
//!                Effect         ├─ pool     one a pool, drives its provider
//!                               └─ peers    the other controllers
//! ```

mod accept;
mod actors;
mod bodies;
mod bundle;
mod bundle_file;
mod clock;
mod config;
pub mod disk;
mod dispatch;
mod fatal;
mod handle;
mod leadership;
mod links;
mod member;
mod network;
mod peers;
mod providers;
mod record;
mod recover;
mod refusals;
mod replicate;
mod serve;
mod start;
mod start_error;

pub use bundle::{BundleError, JoinBundle, found};
pub use bundle_file::BundleFile;
pub use clock::wall;
pub use config::{ControllerConfig, NodeSetup, SetUpNode};
pub use fatal::{Fatal, Removed};
pub use handle::{Controller, InviteError, LogPiece, LogTail, LogUnavailable, Stopping};
pub use leadership::Leadership;
pub use member::{Membership, MembershipError, read as membership};
pub use network::NetworkError;
pub use replicate::blobs::{BlobError, ReplicatedBlobs};
pub use replicate::forward::{
    Answering, BodyIn, BodyOut, ForwardError, ForwardHandler, Forwarded, Forwarding, Replying,
};
pub use start::{Running, start};
pub use start_error::StartError;

/// What a controller says of itself when it meets another program.
pub(crate) const BUILD: &str = concat!("tidegate ", env!("CARGO_PKG_VERSION"));
