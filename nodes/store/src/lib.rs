//! Where content lives: blobs by their digest, and snapshots of folders made of them.
//!
//! - [`Digest`] names content; [`BlobStore`] keeps it on a folder of this machine.
//! - [`Tree`] lists a folder; [`scan_folder`] reads one from disk and [`materialize`] writes one to disk.
//! - [`History`] holds what happened to runs: a projection of the log.
//! - [`artifacts`] says what an attempt left behind; [`wire`] and [`node_wire`] hold what a worker and a
//!   controller say to each other, [`peer_wire`] what controllers ask of each other.

pub mod artifacts;
mod beneath;
mod blobs;
mod digest;
mod history;
mod materialize;
pub mod node_wire;
pub mod peer_wire;
mod scan;
mod sqlite;
mod tree;
pub mod wire;

pub use blobs::{BlobInfo, BlobReader, BlobStore, BlobUsage, FolderLock, Removed, StoreError, StoreOptions};
pub use digest::{Digest, DigestWriter, NotADigest};
pub use history::{
    AttemptRow, CopyCursor, CopyError, CopyPiece, Cursor, ElementRow, EventFilter, History, HistoryError,
    MAX_PIECE_BYTES, NotACursor, Page, RunFilter, RunRow,
};
pub use materialize::{BlobSource, FileMode, MaterializeError, materialize};
pub use scan::{IgnoreRules, LargestFiles, OddFiles, ScanError, ScanOptions, Scanned, scan_folder};
pub use tree::{MAX_TREE_BYTES, Tree, TreeEntry, TreeError, TreeKind};
