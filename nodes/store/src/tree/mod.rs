//! What a folder held, as a value: names, kinds and the digests of contents.

mod check;
mod links;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use check::TreeError;
pub(crate) use check::{MAX_ENTRIES, check_path};
pub(crate) use links::leaving;

use crate::Digest;

/// A snapshot of a folder. One that exists is sound: it was checked when it was made or read, so writing
/// it to disk puts nothing outside the folder it is written to.
///
/// Its encoding is deterministic: equal folders have equal bytes, and thereby one digest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<TreeEntry>", into = "Vec<TreeEntry>")]
pub struct Tree {
    /// Sorted by path, every folder before what is in it.
    entries: Vec<TreeEntry>,
}

/// One thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEntry {
    /// Where it is, relative to the folder: components separated by `/`.
    pub path: String,
    /// What it is.
    pub kind: TreeKind,
}

/// What an entry of a tree is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TreeKind {
    /// A folder. Every folder has an entry, also one that is not empty.
    Dir,
    /// A regular file.
    File {
        /// The blob that is its content.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link that points to something inside the same tree.
    Symlink {
        /// The link's text: relative to the folder that the link is in.
        target: String,
    },
}

/// The newest encoding that this release knows.
const FORMAT: u8 = 1;

/// The longest encoding that is read, in bytes.
pub const MAX_TREE_BYTES: usize = 64 << 20;

/// The bytes of a tree: read back borrowed names would save little, as they are checked one by one.
#[derive(Serialize, Deserialize)]
struct Encoded<T> {
    format: u8,
    entries: T,
}

impl Tree {
    /// The tree of these entries, in any order.
    ///
    /// # Errors
    /// [`TreeError`] naming the first entry that is not allowed.
    pub fn new(mut entries: Vec<TreeEntry>) -> Result<Self, TreeError> {
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        check::check(&entries)?;
        Ok(Self { entries })
    }

    /// Its entries, sorted by path.
    pub fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    /// The entry at `path`.
    pub fn get(&self, path: &str) -> Option<&TreeKind> {
        let index = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        Some(&self.entries[index].kind)
    }

    /// The sum of its files' sizes in bytes.
    pub fn total_bytes(&self) -> u64 {
        // The sum was checked when the tree was made.
        self.files().map(|(_, _, size)| size).sum()
    }

    /// Its files: path, content and size.
    pub fn files(&self) -> impl Iterator<Item = (&str, Digest, u64)> {
        self.entries.iter().filter_map(|entry| match entry.kind {
            TreeKind::File { digest, size, .. } => Some((entry.path.as_str(), digest, size)),
            TreeKind::Dir | TreeKind::Symlink { .. } => None,
        })
    }

    /// The digests of all contents, each once, sorted.
    pub fn contents(&self) -> Vec<Digest> {
        let mut digests: Vec<_> = self.files().map(|(_, digest, _)| digest).collect();
        digests.sort_unstable();
        digests.dedup();
        digests
    }

    /// The tree as bytes, to be stored as a blob.
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec(&Encoded { format: FORMAT, entries: &self.entries })
            .expect("names, numbers and digests always have an encoding")
    }

    /// The digest of the tree's encoding: the name of the whole folder.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// Reads what [`encode`](Self::encode) wrote, trusting nothing in it.
    ///
    /// # Errors
    /// [`TreeError::NotATree`] for other bytes, else the first entry that is not allowed.
    pub fn decode(bytes: &[u8]) -> Result<Self, TreeError> {
        let refuse = |why: String| Err(TreeError::NotATree(why));
        if bytes.len() > MAX_TREE_BYTES {
            return refuse(format!("{} bytes are more than the limit of {MAX_TREE_BYTES}", bytes.len()));
        }
        let Encoded { format, entries } = match rmp_serde::from_slice::<Encoded<Vec<TreeEntry>>>(bytes) {
            Ok(encoded) => encoded,
            Err(error) => return refuse(error.to_string()),
        };
        if format != FORMAT {
            return refuse(format!("format {format} is not known to this release, which knows {FORMAT}"));
        }
        check::check(&entries)?;
        let tree = Self { entries };
        // One tree, one digest: no second spelling of a number, no bytes after the end.
        if tree.encode() != bytes {
            return refuse("it is not in the canonical form".into());
        }
        Ok(tree)
    }
}

impl TryFrom<Vec<TreeEntry>> for Tree {
    type Error = TreeError;

    fn try_from(entries: Vec<TreeEntry>) -> Result<Self, TreeError> {
        Self::new(entries)
    }
}

impl From<Tree> for Vec<TreeEntry> {
    fn from(tree: Tree) -> Self {
        tree.entries
    }
}
