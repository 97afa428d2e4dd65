//! Data that lies beside the repository and is no part of it.

use std::{env, path::PathBuf};

/// A file or folder of the data that lies beside the repository: in `TIDEGATE_SHARED`, by default `../shared` of the
/// repository's root. Where it is absent this says so by name on standard error, and the caller is to return.
pub fn shared_folder(story: &str, part: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let path = env::var_os("TIDEGATE_SHARED").map_or_else(beside, PathBuf::from).join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {story}: {} is absent (TIDEGATE_SHARED names the folder)", path.display());
    None
}
