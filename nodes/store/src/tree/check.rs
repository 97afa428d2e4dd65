//! What a tree may contain.

use std::collections::HashSet;

use super::links::leaving;
use super::{TreeEntry, TreeKind};
use crate::beneath::split;

/// The most entries a tree may have.
pub(crate) const MAX_ENTRIES: usize = 200_000;
/// The longest path, and the longest link, in bytes.
const MAX_PATH: usize = 4096;
/// The longest component of a path in bytes.
const MAX_NAME: usize = 255;
/// The most components of a path.
const MAX_DEPTH: usize = 256;

/// Why something is no tree. Entries are named as they were written, shortened when long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The bytes are not the encoding of a tree.
    #[error("not a folder snapshot: {0}")]
    NotATree(String),
    /// It has more entries than allowed.
    #[error(
        "the folder has {0} entries; at most {MAX_ENTRIES} are allowed: leave some out, or pack them into an archive"
    )]
    TooMany(usize),
    /// A path that is not relative and plain.
    #[error("entry {path:?}: {reason}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A path that is listed twice, or out of order.
    #[error("entry {0:?} is listed twice or out of order")]
    Order(String),
    /// An entry whose folder is not listed as a folder.
    #[error("entry {0:?} is in something that is not listed as a folder")]
    NoFolder(String),
    /// A symbolic link that does not stay in the tree.
    #[error(
        "symbolic link {path:?} -> {target:?} leaves the folder; link only to what is inside, by a relative path"
    )]
    Link {
        /// The link.
        path: String,
        /// What it points to.
        target: String,
    },
    /// Files whose sizes add up to more than 2^64 bytes.
    #[error("entry {0:?}: the sizes of all files add up to more than can be")]
    Size(String),
}

/// Checks sorted entries.
pub(super) fn check(entries: &[TreeEntry]) -> Result<(), TreeError> {
    if entries.len() > MAX_ENTRIES {
        return Err(TreeError::TooMany(entries.len()));
    }
    let mut folders = HashSet::from([""]);
    let mut last = "";
    let mut total: u64 = 0;
    for TreeEntry { path, kind } in entries {
        check_path(path)?;
        if path.as_str() <= last {
            return Err(TreeError::Order(short(path)));
        }
        last = path;
        if !folders.contains(split(path).0) {
            return Err(TreeError::NoFolder(short(path)));
        }
        match kind {
            TreeKind::Dir => {
                folders.insert(path);
            }
            TreeKind::File { size, .. } => {
                total = total.checked_add(*size).ok_or_else(|| TreeError::Size(short(path)))?;
            }
            TreeKind::Symlink { .. } => {}
        }
    }
    match leaving(entries).first() {
        Some((path, target)) => Err(TreeError::Link { path: short(path), target: short(target) }),
        None => Ok(()),
    }
}

/// Checks that a path is relative and plain.
pub(crate) fn check_path(path: &str) -> Result<(), TreeError> {
    let refuse = |reason| Err(TreeError::Path { path: short(path), reason });
    if path.is_empty() {
        return refuse("the path is empty");
    }
    if path.len() > MAX_PATH {
        return refuse("the path is longer than 4096 bytes");
    }
    if path.starts_with('/') {
        return refuse("the path is absolute");
    }
    if path.contains('\0') {
        return refuse("the path contains a zero byte");
    }
    let mut depth = 0;
    for name in path.split('/') {
        depth += 1;
        match name {
            "" => return refuse("the path has an empty component"),
            "." | ".." => return refuse("the path has a component `.` or `..`"),
            name if name.len() > MAX_NAME => return refuse("a name is longer than 255 bytes"),
            _ if depth > MAX_DEPTH => return refuse("folders are nested more than 256 deep"),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a link's text can be one at all.
pub(super) fn target_is_plain(target: &str) -> bool {
    !target.is_empty() && target.len() < MAX_PATH && !target.starts_with('/') && !target.contains('\0')
}

fn short(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
