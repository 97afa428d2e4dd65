//! What goes wrong: each thing is refused or survived, and what is said tells what, where and what to do.

mod damaged_log;
mod flood;
mod full_disk;
mod job_files;
mod paths;
mod requests;
mod start;

/// A pool of small nodes.
pub(crate) const POOL: &str = "{name: small, type: amlcompute, size: Standard_D2s_v3, max_instances: 1}";

/// Demands that a text has all of these in it.
pub(crate) fn says(text: &str, all: &[&str]) {
    let missing: Vec<_> = all.iter().filter(|words| !text.contains(**words)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in:\n{text}");
}
