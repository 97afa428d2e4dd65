//! What is written, and that nothing is written elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::tree::TreeEntry;
use crate::{ScanOptions, StoreOptions, scan_folder};

struct Places {
    store: BlobStore,
    dest: TempDir,
    _folder: TempDir,
}

fn places() -> Places {
    let folder = TempDir::new().unwrap();
    let options = StoreOptions { durable: false, ..StoreOptions::default() };
    let store = BlobStore::open(folder.path().join("store"), options).unwrap();
    Places { store, dest: TempDir::new().unwrap(), _folder: folder }
}

fn entry(path: &str, kind: TreeKind) -> TreeEntry {
    TreeEntry { path: path.into(), kind }
}

fn file(store: &BlobStore, path: &str, content: &[u8], executable: bool) -> TreeEntry {
    let digest = store.put(content).unwrap();
    entry(path, TreeKind::File { digest, size: content.len() as u64, executable })
}

fn link(path: &str, target: &str) -> TreeEntry {
    entry(path, TreeKind::Symlink { target: target.into() })
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_links_and_folders_are_written_with_their_modes() {
    let Places { store, dest, _folder } = places();
    let large = vec![5; 300_000];
    let tree = Tree::new(vec![
        entry("a", TreeKind::Dir),
        entry("a/empty", TreeKind::Dir),
        file(&store, "a/run.sh", b"#!/bin/sh", true),
        file(&store, "a/large", &large, false),
        file(&store, "nothing", b"", false),
        link("l", "a/large"),
    ])
    .unwrap();
    let umask = mode_of_a_new_file(dest.path());
    for (mode_wanted, plain, executable) in [
        (FileMode::Copy, 0o666, 0o777),
        (FileMode::ReadOnly, 0o444, 0o555),
        (FileMode::HardLink, 0o444, 0o555),
    ] {
        let dest = dest.path().join(format!("{mode_wanted:?}"));
        fs::create_dir(&dest).unwrap();
        materialize(&tree, &dest, &store, mode_wanted).unwrap();
        assert_eq!(fs::read(dest.join("l")).unwrap(), large);
        assert_eq!(fs::read(dest.join("nothing")).unwrap(), b"");
        assert_eq!(fs::read_link(dest.join("l")).unwrap(), Path::new("a/large"));
        assert!(dest.join("a/empty").is_dir());
        assert_eq!(mode(&dest.join("a/large")), plain & umask);
        assert_eq!(mode(&dest.join("a/run.sh")), executable & umask);
        let links = fs::metadata(dest.join("a/large")).unwrap().nlink();
        assert_eq!(links, if mode_wanted == FileMode::HardLink { 2 } else { 1 });
        let scanned = scan_folder(&dest, &ScanOptions::input(1 << 20)).unwrap();
        assert_eq!(scanned.tree, tree);
    }
}

/// What this process' umask leaves of a mode.
fn mode_of_a_new_file(folder: &Path) -> u32 {
    let path = folder.join("probe");
    fs::create_dir(&path).unwrap();
    let left = mode(&path);
    fs::remove_dir(&path).unwrap();
    left
}

#[test]
fn nothing_is_written_through_a_link() {
    let Places { store, dest, _folder } = places();
    let outside = TempDir::new().unwrap();
    let tree = Tree::new(vec![entry("a", TreeKind::Dir), file(&store, "a/file", b"x", false)]).unwrap();
    symlink(outside.path(), dest.path().join("a")).unwrap();
    let error = materialize(&tree, dest.path(), &store, FileMode::Copy).unwrap_err();
    assert!(matches!(&error, MaterializeError::Exists(path) if path.ends_with("a")), "{error:?}");

    let tree = Tree::new(vec![file(&store, "f", b"x", false)]).unwrap();
    let target = outside.path().join("target");
    fs::write(&target, "untouched").unwrap();
    symlink(&target, dest.path().join("f")).unwrap();
    for mode in [FileMode::Copy, FileMode::ReadOnly, FileMode::HardLink] {
        let error = materialize(&tree, dest.path(), &store, mode).unwrap_err();
        assert!(matches!(error, MaterializeError::Exists(_)), "{error:?}");
    }
    assert_eq!(fs::read(&target).unwrap(), b"untouched");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_swapped_for_a_link_while_writing_is_not_followed() {
    struct Swapping<'a> {
        dest: &'a Path,
        outside: &'a Path,
    }
    impl BlobSource for Swapping<'_> {
        fn read_blob(&self, _: &Digest) -> Result<Option<Box<dyn Read + '_>>, StoreError> {
            let folder = self.dest.join("z");
            if folder.is_dir() && !folder.is_symlink() {
                fs::remove_dir(&folder).unwrap();
                symlink(self.outside, &folder).unwrap();
            }
            Ok(Some(Box::new(&b"x"[..])))
        }
    }
    let Places { store, dest, _folder } = places();
    let outside = TempDir::new().unwrap();
    let tree = Tree::new(vec![
        entry("z", TreeKind::Dir),
        entry("z-other", TreeKind::Dir),
        file(&store, "z-other/file", b"x", false),
        file(&store, "z/file", b"x", false),
    ])
    .unwrap();
    let source = Swapping { dest: dest.path(), outside: outside.path() };
    let error = materialize(&tree, dest.path(), &source, FileMode::Copy).unwrap_err();
    assert!(matches!(error, MaterializeError::Store(StoreError::Io { .. })), "{error:?}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn missing_and_damaged_contents_are_named() {
    struct Wrong(&'static [u8]);
    impl BlobSource for Wrong {
        fn read_blob(&self, _: &Digest) -> Result<Option<Box<dyn Read + '_>>, StoreError> {
            Ok(Some(Box::new(self.0)))
        }
    }
    let Places { store, dest, _folder } = places();
    let tree = Tree::new(vec![file(&store, "model", b"right", false)]).unwrap();
    store.remove(&tree.contents(), std::time::Duration::ZERO).unwrap();
    let error = materialize(&tree, dest.path(), &store, FileMode::Copy).unwrap_err();
    assert!(matches!(&error, MaterializeError::Missing { path, .. } if path.ends_with("model")), "{error:?}");
    fs::remove_file(dest.path().join("model")).unwrap();

    for content in [&b"wrong"[..], b"righ", b"right and more", b""] {
        let error = materialize(&tree, dest.path(), &Wrong(content), FileMode::Copy).unwrap_err();
        assert!(matches!(error, MaterializeError::Damaged { .. }), "{error:?}");
        fs::remove_file(dest.path().join("model")).unwrap();
    }
    materialize(&tree, dest.path(), &Wrong(b"right"), FileMode::Copy).unwrap();
}

/// What a random folder holds: a file of some bytes, a link to something there, or an empty folder.
#[derive(Debug, Clone)]
enum Thing {
    File(Vec<u8>, bool),
    Link(usize),
    Folder,
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        4 => (proptest::collection::vec(any::<u8>(), 0..300), any::<bool>()).prop_map(|(b, x)| Thing::File(b, x)),
        1 => (70_000..90_000_usize).prop_map(|size| Thing::File(vec![size as u8; size], false)),
        1 => any::<usize>().prop_map(Thing::Link),
        1 => Just(Thing::Folder),
    ]
}

/// The tree of things at random paths; what is in the way of something deeper becomes a folder.
fn grow(store: &BlobStore, things: &BTreeMap<Vec<String>, Thing>) -> Tree {
    let mut entries = BTreeMap::new();
    for (path, thing) in things {
        let joined = path.join("/");
        let mut at = String::new();
        for name in &path[..path.len() - 1] {
            at = if at.is_empty() { name.clone() } else { format!("{at}/{name}") };
            entries.insert(at.clone(), entry(&at, TreeKind::Dir));
        }
        let made = match thing {
            Thing::File(bytes, executable) => file(store, &joined, bytes, *executable),
            Thing::Link(to) => {
                let target = things.keys().nth(to % things.len()).unwrap().join("/");
                link(&joined, &format!("{}{target}", "../".repeat(path.len() - 1)))
            }
            Thing::Folder => entry(&joined, TreeKind::Dir),
        };
        entries.entry(joined).or_insert(made);
    }
    for (path, _) in entries.clone() {
        let below = format!("{path}/");
        if entries.keys().any(|other| other.starts_with(&below)) {
            entries.insert(path.clone(), entry(&path, TreeKind::Dir));
        }
    }
    Tree::new(entries.into_values().collect()).unwrap()
}

#[test]
fn random_trees_come_back() {
    let places = places();
    let store = &places.store;
    let path = proptest::collection::vec("[a-cé -]{1,3}", 1..4);
    let things = proptest::collection::btree_map(path, thing(), 0..30);
    proptest!(ProptestConfig::with_cases(60), |(things in things)| {
        let dest = TempDir::new().unwrap();
        let tree = grow(store, &things);
        for mode in [FileMode::Copy, FileMode::HardLink] {
            let dest = dest.path().join(format!("{mode:?}"));
            fs::create_dir(&dest).unwrap();
            materialize(&tree, &dest, store, mode).unwrap();
            let scanned = scan_folder(&dest, &ScanOptions::input(10 << 20)).unwrap();
            prop_assert_eq!(&scanned.tree, &tree);
            prop_assert_eq!(scanned.store_in(store).unwrap(), tree.digest());
        }
    });
}
