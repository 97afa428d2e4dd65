//! What a command wrote, as trees: `outputs` and `logs` of its working folder, and the outputs that its job names.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use tidegate_store::{Digest, ScanError, ScanOptions, Scanned, Tree, TreeEntry, TreeKind, scan_folder};

use crate::{
    folder::{AttemptFolder, KEPT, is_empty},
    link::{Contents, Source},
};

/// Files that were left out, at most so many by name.
const NAMED: usize = 20;
/// Folders that a run closed to us, opened again one by one.
const OPENED_MAX: usize = 1000;

/// Those of `outputs` and `logs` that are not empty.
pub(super) fn not_empty(folder: &AttemptFolder, notes: &mut Vec<String>) -> Vec<&'static str> {
    let mut rest = Vec::new();
    for kept in KEPT {
        match is_empty(&folder.work().join(kept)) {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                notes.push(format!("`{kept}` is not a folder any more: it was not kept"));
            }
            // Whatever is wrong with it, scanning says it.
            Ok(false) | Err(_) => rest.push(kept),
        }
    }
    rest
}

/// Adds those of `outputs` and `logs` that hold something to what is to be stored, as one tree.
pub(super) fn collect_default(
    folder: &AttemptFolder,
    rest: &[&str],
    contents: &mut Contents,
    notes: &mut Vec<String>,
) -> Result<Option<Digest>, String> {
    let mut entries = Vec::new();
    for kept in rest {
        entries.push(TreeEntry { path: (*kept).to_owned(), kind: TreeKind::Dir });
        let scanned = scan(&folder.work().join(kept), kept, notes)?;
        let inner = scanned
            .tree
            .entries()
            .iter()
            .map(|entry| TreeEntry { path: format!("{kept}/{}", entry.path), kind: entry.kind.clone() });
        entries.extend(inner);
        add_files(&scanned, contents);
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let tree = Tree::new(entries).map_err(|error| format!("outputs/ and logs/ cannot be kept: {error}"))?;
    Ok(Some(add_tree(&tree, contents)))
}

/// Adds an output that the job names.
pub(super) fn collect_named(
    name: &str,
    folder: &AttemptFolder,
    contents: &mut Contents,
    notes: &mut Vec<String>,
) -> Result<Digest, String> {
    let path = folder.output(name);
    let is_folder = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
    if !is_folder {
        notes.push(format!("output `{name}` is not a folder any more: it was not kept"));
        return Ok(add_tree(&Tree::default(), contents));
    }
    let scanned = scan(&path, name, notes)?;
    add_files(&scanned, contents);
    Ok(add_tree(&scanned.tree, contents))
}

fn scan(path: &Path, shown: &str, notes: &mut Vec<String>) -> Result<Arc<Scanned>, String> {
    let options = ScanOptions::output(u64::MAX);
    let mut opened = 0;
    let scanned = loop {
        match scan_folder(path, &options) {
            Ok(scanned) => break scanned,
            // The command's files are ours: what it closed to everyone we open.
            Err(ScanError::Io { path, source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied
                    && opened < OPENED_MAX
                    && open_up(&path) =>
            {
                opened += 1;
            }
            Err(error) => return Err(format!("`{shown}` cannot be kept: {error}")),
        }
    };
    let left_out = &scanned.left_out;
    notes.extend(
        left_out.iter().take(NAMED).map(|(path, reason)| format!("`{shown}/{path}` was not kept: {reason}")),
    );
    if left_out.len() > NAMED {
        notes.push(format!("{} more files of `{shown}` were not kept", left_out.len() - NAMED));
    }
    Ok(Arc::new(scanned))
}

fn open_up(path: &Path) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else { return false };
    let wanted = if found.is_dir() { 0o700 } else { 0o400 };
    let mode = found.permissions().mode();
    mode & wanted != wanted && fs::set_permissions(path, fs::Permissions::from_mode(mode | wanted)).is_ok()
}

fn add_files(scanned: &Arc<Scanned>, contents: &mut Contents) {
    for (path, digest, size) in scanned.tree.files() {
        contents.add(digest, size, Source::Scanned(scanned.clone(), path.to_owned()));
    }
}

fn add_tree(tree: &Tree, contents: &mut Contents) -> Digest {
    let bytes = tree.encode();
    let digest = Digest::of(&bytes);
    contents.add(digest, bytes.len() as u64, Source::Memory(bytes.into()));
    digest
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use tidegate_scheduler::ids::Fence;

    use super::*;
    use crate::folder::NodeFolder;

    fn folder(temp: &Path) -> AttemptFolder {
        let folder = NodeFolder::open(temp).unwrap().attempt(Fence(1));
        folder.make().unwrap();
        folder.make_kept().unwrap();
        folder
    }

    #[test]
    fn nothing_is_stored_of_empty_folders() {
        let temp = tempfile::tempdir().unwrap();
        let folder = folder(temp.path());
        let (mut contents, mut notes) = (Contents::default(), Vec::new());
        for _agent in 0..2 {
            assert!(not_empty(&folder, &mut notes).is_empty());
            assert_eq!(collect_default(&folder, &[], &mut contents, &mut notes), Ok(None));
        }
        assert!(contents.bytes() == 0 && notes.is_empty());
    }

    #[test]
    fn outputs_are_one_tree_and_what_cannot_be_kept_is_told() {
        let temp = tempfile::tempdir().unwrap();
        let folder = folder(temp.path());
        let outputs = folder.work().join("outputs");
        fs::create_dir(outputs.join("deep")).unwrap();
        fs::write(outputs.join("deep/model"), "weights").unwrap();
        fs::write(outputs.join("closed"), "c").unwrap();
        fs::set_permissions(outputs.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
        symlink("deep/model", outputs.join("inside")).unwrap();
        symlink("/etc/passwd", outputs.join("outside")).unwrap();
        let _socket = UnixListener::bind(outputs.join("socket")).unwrap();
        fs::remove_dir(folder.work().join("logs")).unwrap();
        fs::write(folder.work().join("logs"), "a file").unwrap();
        let (mut contents, mut notes) = (Contents::default(), Vec::new());
        let rest = not_empty(&folder, &mut notes);
        let digest = collect_default(&folder, &rest, &mut contents, &mut notes).unwrap().unwrap();
        let blobs = contents.read_all().unwrap();
        let tree = blobs.iter().find(|blob| Digest::of(blob) == digest).unwrap();
        let tree = Tree::decode(tree).unwrap();
        let paths: Vec<&str> = tree.entries().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(
            paths,
            ["outputs", "outputs/closed", "outputs/deep", "outputs/deep/model", "outputs/inside"]
        );
        assert!(blobs.iter().any(|blob| blob.as_ref() == b"weights"));
        let notes = notes.join("\n");
        for told in ["outputs/outside", "outputs/socket", "`logs` is not a folder"] {
            assert!(notes.contains(told), "{notes}");
        }
    }

    #[test]
    fn named_outputs_are_trees_of_their_own_even_if_empty() {
        let temp = tempfile::tempdir().unwrap();
        let folder = folder(temp.path());
        fs::create_dir_all(folder.output("model")).unwrap();
        fs::create_dir_all(folder.output("none")).unwrap();
        fs::write(folder.output("model").join("w"), "1").unwrap();
        symlink("/etc", folder.output("stolen")).unwrap();
        let (mut contents, mut notes) = (Contents::default(), Vec::new());
        let mut named = |name: &str| collect_named(name, &folder, &mut contents, &mut notes).unwrap();
        let (model, none, stolen) = (named("model"), named("none"), named("stolen"));
        assert!(model != none && none == Tree::default().digest() && stolen == none);
        assert!(notes.len() == 1 && notes[0].contains("stolen"), "{notes:?}");
    }
}
