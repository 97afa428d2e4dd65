//! The controller: actors around the scheduler's core, and what they keep on disk.
//!
//! ```text
//! clients ─┐                    ┌─ disk     the durable log, one sync for all that gathered
//! workers ─┼─ Input ─▶ core ─▶ ─┼─ history  a projection into SQLite
//! providers┘   (one actor)      ├─ link     one a worker
//!                Effect         └─ pool     one a pool, drives its provider
//! ```

mod accept;
mod actors;
mod bodies;
mod clock;
mod config;
pub mod disk;
mod dispatch;
mod fatal;
mod handle;
mod links;
mod network;
mod providers;
mod serve;
mod start;

pub use clock::wall;
pub use config::{ControllerConfig, NodeSetup, SetUpNode};
pub use fatal::Fatal;
pub use handle::{Controller, LogPiece, LogTail, LogUnavailable, Stopping};
pub use network::NetworkError;
pub use start::{Running, StartError, start};

/// What a controller says of itself when it meets another program.
pub(crate) const BUILD: &str = concat!("tidegate ", env!("CARGO_PKG_VERSION"));
