//! Code and inputs: fetched into the cache, then written into the attempt's folder.

use std::{collections::BTreeMap, path::Path};

use tidegate_scheduler::message::End;
use tidegate_store::{
    BlobStore, Digest, FileMode, MAX_TREE_BYTES, MaterializeError, StoreError, Tree, TreeEntry, TreeKind,
    materialize,
};

use super::Preparer;
use crate::{
    folder::{AttemptFolder, Room, is_full, make},
    job::{Content, InputPlan, Job},
};

/// What a job's folders are made of; all of it is in the cache.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    cache: Option<BlobStore>,
    trees: BTreeMap<Digest, Tree>,
}

/// Why a folder was not made.
pub(super) enum Unmade {
    /// The cache has dropped a content in between.
    Dropped,
    End(End),
}

impl From<End> for Unmade {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

/// Fetches what a job needs into the cache.
pub(super) async fn fetch(preparer: &Preparer, job: &Job) -> Result<Contents, End> {
    if job.is_self_contained() {
        return Ok(Contents::default());
    }
    let system =
        |what: &str, error: &dyn std::fmt::Display| End::System { reason: format!("{what}: {error}") };
    let cache =
        preparer.cache.open().await.map_err(|error| system("the node's cache cannot be opened", &error))?;
    let roots: Vec<Digest> =
        job.code.into_iter().chain(job.inputs.iter().map(|input| input.content.digest())).collect();
    let fetched = preparer.remote.fetch(&cache, roots).await;
    fetched.map_err(|error| system("its code or an input cannot be fetched", &error))?;
    let mut trees = BTreeMap::new();
    let inputs = job.inputs.iter().filter_map(|input| match input.content {
        Content::Tree(digest) => Some((format!("inputs.{}", input.name), digest)),
        Content::Blob(_) => None,
    });
    for (key, digest) in job.code.map(|digest| ("code".to_owned(), digest)).into_iter().chain(inputs) {
        let tree = read_tree(&cache, digest)
            .await
            .map_err(|reason| system(&format!("`{key}` cannot be read"), &reason))?;
        trees.insert(digest, tree);
    }
    let mut contents: Vec<Digest> = trees.values().flat_map(Tree::contents).collect();
    contents.sort_unstable();
    contents.dedup();
    let fetched = preparer.remote.fetch(&cache, contents).await;
    fetched.map_err(|error| system("a file of its code or inputs cannot be fetched", &error))?;
    Ok(Contents { cache: Some(cache), trees })
}

async fn read_tree(cache: &BlobStore, digest: Digest) -> Result<Tree, String> {
    let cache = cache.clone();
    let read = move || {
        let size = cache.len(&digest).map_err(|error| error.to_string())?.unwrap_or(0);
        if size > MAX_TREE_BYTES as u64 {
            return Err(format!("{digest} has {size} bytes: it is no folder"));
        }
        let bytes = cache.get(&digest).map_err(|error| error.to_string())?;
        let bytes = bytes.ok_or_else(|| format!("{digest} was dropped from the cache"))?;
        Tree::decode(&bytes).map_err(|error| error.to_string())
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|panicked| Err(panicked.to_string()))
}

impl Contents {
    /// Writes the code into the working folder.
    pub(super) fn write_code(&self, code: Digest, folder: &AttemptFolder) -> Result<(), Unmade> {
        let (Some(cache), Some(tree)) = (&self.cache, self.trees.get(&code)) else {
            return Err(Unmade::Dropped);
        };
        write(tree, &folder.work(), cache, FileMode::Copy)
    }

    /// Writes an input; gives the path that the command is told.
    pub(super) fn write_input(
        &self,
        input: &InputPlan,
        folder: &AttemptFolder,
        is_root: bool,
    ) -> Result<String, Unmade> {
        let Some(cache) = &self.cache else { return Err(Unmade::Dropped) };
        let place = folder.input(&input.name);
        make(&place).map_err(|error| full_or(&place, &error))?;
        let single;
        let tree = match input.content {
            Content::Tree(digest) => self.trees.get(&digest).ok_or(Unmade::Dropped)?,
            Content::Blob(digest) => {
                single = one_file(cache, digest, &input.name)?;
                &single
            }
        };
        let mode = match (input.writable, is_root) {
            (true, _) => FileMode::Copy,
            // Nothing is read-only to root: a run could change the cache through a link.
            (false, true) => FileMode::ReadOnly,
            (false, false) => FileMode::HardLink,
        };
        write(tree, &place, cache, mode)?;
        let shown = place.display();
        if !input.is_file {
            return Ok(shown.to_string());
        }
        let mut files = tree.files();
        match (files.next(), files.next()) {
            (Some((name, ..)), None) => Ok(format!("{shown}/{name}")),
            _ => Err(End::CannotStart {
                reason: format!(
                    "`inputs.{}` is to be one file, and what was uploaded is a folder",
                    input.name
                ),
            }
            .into()),
        }
    }
}

impl Content {
    fn digest(self) -> Digest {
        match self {
            Content::Tree(digest) | Content::Blob(digest) => digest,
        }
    }
}

fn one_file(cache: &BlobStore, digest: Digest, name: &str) -> Result<Tree, Unmade> {
    let system = |reason: String| Unmade::End(End::System { reason });
    let size = cache.len(&digest).map_err(|error| system(error.to_string()))?.ok_or(Unmade::Dropped)?;
    let kind = TreeKind::File { digest, size, executable: false };
    Tree::new(vec![TreeEntry { path: name.to_owned(), kind }]).map_err(|error| system(error.to_string()))
}

fn write(tree: &Tree, place: &Path, cache: &BlobStore, mode: FileMode) -> Result<(), Unmade> {
    materialize(tree, place, cache, mode).map_err(|error| match error {
        MaterializeError::Missing { .. } => Unmade::Dropped,
        MaterializeError::Store(StoreError::Io { source, .. }) if is_full(&source) => full_or(place, &source),
        error => Unmade::End(End::System { reason: format!("its folder cannot be made: {error}") }),
    })
}

/// The end of an attempt whose folder the disk did not take; names how much room there is, if that is why.
pub(super) fn full_or(place: &Path, error: &std::io::Error) -> Unmade {
    let room = place.ancestors().find_map(|folder| Room::of(folder).ok()).filter(|_| is_full(error));
    let room = room.map(|room| format!("; {room}")).unwrap_or_default();
    Unmade::End(End::System {
        reason: format!("its folder cannot be made: {}: {error}{room}", place.display()),
    })
}
