//! Reading a folder from disk into a tree.

mod content;
mod error;
mod ignored;
mod walk;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

pub use error::{LargestFiles, ScanError};

use crate::tree::{self, Tree, TreeEntry, TreeKind};
use crate::{BlobStore, Digest, beneath};
use ignored::Ignored;

/// What a scan leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IgnoreRules {
    /// What the folder's `.amlignore` says, or else its `.gitignore`, as Azure ML does for code: the file at
    /// the top of the folder alone, in git's syntax, the last line that matches decides. The folder `.git`
    /// is always left out.
    Code,
    /// Nothing.
    Nothing,
}

/// What to do about things that no tree can hold: symbolic links that leave the folder, sockets, pipes and
/// devices, names that are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddFiles {
    /// Fail, naming the first: for what somebody submits.
    Refuse,
    /// Leave them out and say so in [`Scanned::left_out`]: for what a run wrote.
    LeaveOut,
}

/// How to scan a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanOptions {
    /// What to leave out.
    pub ignore: IgnoreRules,
    /// What to do about things that no tree can hold.
    pub odd: OddFiles,
    /// The most bytes that all files together may have.
    pub max_bytes: u64,
}

impl ScanOptions {
    /// For the `code` of a run: ignore files count, at most 300 MB as in Azure ML.
    pub const CODE: Self =
        Self { ignore: IgnoreRules::Code, odd: OddFiles::Refuse, max_bytes: 300 * 1024 * 1024 };

    /// For an input folder: everything in it, up to `max_bytes`.
    pub const fn input(max_bytes: u64) -> Self {
        Self { ignore: IgnoreRules::Nothing, odd: OddFiles::Refuse, max_bytes }
    }

    /// For what a run wrote: everything that can be kept, up to `max_bytes`.
    pub const fn output(max_bytes: u64) -> Self {
        Self { ignore: IgnoreRules::Nothing, odd: OddFiles::LeaveOut, max_bytes }
    }
}

/// A folder as it was found.
#[derive(Debug)]
pub struct Scanned {
    /// What it holds.
    pub tree: Tree,
    /// What was left out though no rule said so: path and reason.
    pub left_out: Vec<(String, &'static str)>,
    folder: PathBuf,
    root: OwnedFd,
}

/// Reads the names and contents in `folder`.
///
/// Symbolic links are kept as links; an absolute one that points into the folder is made relative.
///
/// # Errors
/// [`ScanError`] naming the file, link or limit that stands in the way.
pub fn scan_folder(folder: &Path, options: &ScanOptions) -> Result<Scanned, ScanError> {
    let root = beneath::open_root(folder).map_err(|e| ScanError::io("open the folder", folder, "", e))?;
    let ignored = match options.ignore {
        IgnoreRules::Code => Ignored::read(folder)?,
        IgnoreRules::Nothing => Ignored::nothing(),
    };
    let found = walk::walk(&root, folder, &ignored, options.odd)?;
    error::check_size(folder, &found.files, options.max_bytes, ignored.file())?;
    let contents = content::read(&root, folder, &found.files, options.max_bytes)?;
    let mut entries = found.others;
    entries.extend(found.files.into_iter().zip(contents).map(|(file, (digest, size))| TreeEntry {
        path: file.path,
        kind: TreeKind::File { digest, size, executable: file.executable },
    }));
    let mut left_out = found.left_out;
    leave_links_out(&mut entries, &mut left_out, options.odd);
    let tree = Tree::new(entries).map_err(|source| ScanError::Tree { folder: folder.to_owned(), source })?;
    Ok(Scanned { tree, left_out, folder: folder.to_owned(), root })
}

/// Takes out links that leave the folder, unless the tree is to be refused for them.
fn leave_links_out(entries: &mut Vec<TreeEntry>, left_out: &mut Vec<(String, &'static str)>, odd: OddFiles) {
    if odd == OddFiles::Refuse {
        return;
    }
    loop {
        let leaving: Vec<String> =
            tree::leaving(entries).into_iter().map(|(path, _)| path.to_owned()).collect();
        if leaving.is_empty() {
            return;
        }
        // What led through one of these links may lead elsewhere now: look again.
        entries.retain(|entry| !leaving.contains(&entry.path));
        left_out.extend(leaving.into_iter().map(|path| (path, "the symbolic link leaves the folder")));
    }
}

impl Scanned {
    /// Opens a file of the tree as it is now on disk.
    ///
    /// # Errors
    /// When it cannot be opened any more.
    pub fn open(&self, path: &str) -> Result<impl Read + use<>, ScanError> {
        beneath::open_file_at(&self.root, path).map_err(|e| ScanError::io("open", &self.folder, path, e))
    }

    /// Stores every content that `store` does not have, and the tree itself; gives the tree's digest.
    ///
    /// # Errors
    /// [`ScanError::Store`], also when a file has changed since it was scanned.
    pub fn store_in(&self, store: &BlobStore) -> Result<Digest, ScanError> {
        let mut missing = store.hold(&self.tree.contents()).map_err(ScanError::Store)?;
        for (path, digest, size) in self.tree.files() {
            // Sorted, as it comes from the tree's sorted contents; each content is stored once.
            let Ok(at) = missing.binary_search(&digest) else {
                continue;
            };
            store
                .put_stream(self.open(path)?, Some(digest), size)
                .map_err(|source| self.explain(path, source))?;
            missing.remove(at);
        }
        store.put(self.tree.encode()).map_err(ScanError::Store)
    }

    fn explain(&self, path: &str, source: crate::StoreError) -> ScanError {
        use crate::StoreError as E;
        match source {
            E::Mismatch { .. } | E::TooLarge { .. } => ScanError::Changed(self.folder.join(path)),
            other => ScanError::Store(other),
        }
    }
}
