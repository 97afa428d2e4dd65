//! Where content lives: blobs by their digest, and snapshots of folders made of them.
//!
//! - [`Digest`] names content; [`BlobStore`] keeps it on a folder of this machine.
//! - [`Tree`] lists a folder; [`scan_folder`] reads one from disk and [`materialize`] writes one to disk.
//! - [`wire`] holds what a worker and a controller say to each other on a bulk stream.

// mod beneath;
mod blobs;
mod digest;
//mod materialize;
//mod scan;
//mod tree;
//pub mod wire;

pub use blobs::{BlobInfo, BlobReader, BlobStore, BlobUsage, FolderLock, Removed, StoreError, StoreOptions};
pub use digest::{Digest, DigestWriter, NotADigest};
//pub use materialize::{BlobSource, FileMode, MaterializeError, materialize};
//pub use scan::{IgnoreRules, OddFiles, ScanError, ScanOptions, Scanned, scan_folder};
//pub use tree::{EntryKind, Tree, TreeEntry, TreeError};
