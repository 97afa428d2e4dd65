//! What a controller keeps on its own disk: the data folder, the durable log and the snapshots.
//!
//! Three promises hold here. What [`DurableLog::append`] has returned from is on the disk. Whatever the
//! process or the machine dies of, [`DurableLog::open`] gives back every entry so acknowledged, or refuses
//! and changes nothing. A full disk stops submissions long before it stops consensus.

mod arriving;
mod codec;
mod engine;
mod error;
mod files;
mod folder;
mod log;
mod milestone;
mod pidfile;
mod plan;
mod record;
mod recovery;
mod repair;
mod reserve;
mod shape;
mod snapshot;

#[cfg(test)]
mod tests;

pub use arriving::Arriving;
pub use error::LogError;
pub use folder::{DataFolder, FolderError, lock_folder};
pub use log::{DurableLog, LogOptions, Recovered};
pub use recovery::TornTail;
pub use reserve::DiskPressure;
pub use snapshot::{Latest, Refused, SnapshotError, SnapshotStore};
