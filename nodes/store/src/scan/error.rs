//! Why a folder cannot be scanned.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::walk::FoundFile;
use crate::{StoreError, TreeError};

/// What stands in the way of a folder's snapshot.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The operating system refused something.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Something that a snapshot cannot hold.
    #[error("{}: {reason}; move it out of the folder{}", path.display(), or_name_it(*.ignore_file))]
    Odd {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        reason: &'static str,
        /// The file whose rules would leave it out, if rules count.
        ignore_file: Option<&'static str>,
    },
    /// A name that is not UTF-8.
    #[error("{}: the name {name:?} is not UTF-8; rename it", folder.display())]
    Name {
        /// The folder it is in.
        folder: PathBuf,
        /// The name as it is.
        name: std::ffi::OsString,
    },
    /// A line of an ignore file that has no meaning.
    #[error("{} line {line}: {reason}", path.display())]
    Pattern {
        /// The ignore file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// All files together are larger than allowed.
    #[error(
        "{} has {bytes} bytes in {files} files, more than the limit of {limit}; the largest are {largest}. \
         Move out what the run does not need{}",
        folder.display(), or_name_it(*.ignore_file)
    )]
    TooLarge {
        /// The folder.
        folder: PathBuf,
        /// What its files add up to.
        bytes: u64,
        /// How many there are.
        files: usize,
        /// The limit in bytes.
        limit: u64,
        /// The largest of them.
        largest: LargestFiles,
        /// The ignore file that counts, or would count.
        ignore_file: Option<&'static str>,
    },
    /// More entries, or deeper folders, than a snapshot holds; a link that leaves the folder.
    #[error("{}: {source}", folder.display())]
    Tree {
        /// The folder.
        folder: PathBuf,
        /// What is not allowed.
        source: TreeError,
    },
    /// A file changed while the folder was being stored.
    #[error("{} changed while it was being read; try again once nothing writes to it", .0.display())]
    Changed(PathBuf),
    /// The store refused the content.
    #[error(transparent)]
    Store(StoreError),
}

/// The largest files of a folder and their sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargestFiles(pub Vec<(String, u64)>);

impl fmt::Display for LargestFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (path, size)) in self.0.iter().enumerate() {
            write!(f, "{}{path} ({size})", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

fn or_name_it(ignore_file: Option<&'static str>) -> String {
    ignore_file.map_or(String::new(), |file| format!(", or leave it out by a line in {file}"))
}

impl ScanError {
    pub(super) fn io(doing: &'static str, folder: &Path, path: &str, source: impl Into<io::Error>) -> Self {
        let path = if path.is_empty() { folder.to_owned() } else { folder.join(path) };
        Self::Io { doing, path, source: source.into() }
    }
}

/// Refuses a folder whose files are too large together, naming the largest.
pub(super) fn check_size(
    folder: &Path,
    files: &[FoundFile],
    limit: u64,
    ignore_file: Option<&'static str>,
) -> Result<(), ScanError> {
    let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
    if bytes <= limit {
        return Ok(());
    }
    let mut largest: Vec<&FoundFile> = files.iter().collect();
    largest.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
    largest.truncate(5);
    Err(ScanError::TooLarge {
        folder: folder.to_owned(),
        bytes,
        files: files.len(),
        limit,
        largest: LargestFiles(largest.into_iter().map(|file| (file.path.clone(), file.size)).collect()),
        ignore_file,
    })
}
