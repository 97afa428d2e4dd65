//! Deleting what is not needed any more.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use super::{AttemptFolder, NodeFolder};

/// Deletes an attempt's folder. First the words by which a later agent would take it up; then, one by one, what
/// most attempts leave and no more; then, if there is more, everything.
pub(super) fn attempt(folder: &AttemptFolder) -> io::Result<()> {
    report(folder)?;
    for file in [folder.assignment(), folder.stdout(), folder.stderr()] {
        ignore_absent(fs::remove_file(file))?;
    }
    let work = folder.work();
    for empty in [work.join("outputs"), work.join("logs"), work, folder.temporary(), folder.root().to_owned()]
    {
        // One that is not empty, or no folder, is for what follows.
        let _removed = fs::remove_dir(empty);
    }
    match fs::remove_dir_all(folder.root()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder.root());
            ignore_absent(fs::remove_dir_all(folder.root()))
        }
        removed => ignore_absent(removed),
    }
}

/// Deletes the report: it would be told again.
pub(super) fn report(folder: &AttemptFolder) -> io::Result<()> {
    ignore_absent(fs::remove_file(folder.report()))
}

/// Gives us back the folders that a run closed to everyone.
fn open_up(folder: &Path) {
    // Whatever fails here fails again, and is told, when the folder is deleted.
    let _opened = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

pub(super) fn clear(node: &NodeFolder, keep_runs: bool) -> io::Result<()> {
    let root = node.root();
    for folder in [node.cache(), node.environments(), node.spare()] {
        ignore_absent(fs::remove_dir_all(folder))?;
    }
    // An attempt's end may be known to the keeper's journal alone.
    if keep_runs {
        return Ok(());
    }
    for file in ["keeper.sock", "keeper.journal", "keeper.lock", "keeper.log"] {
        ignore_absent(fs::remove_file(root.join(file)))?;
    }
    for entry in fs::read_dir(node.runs())? {
        let path = entry?.path();
        attempt(&AttemptFolder { root: path, spares: node.spares.clone() })?;
    }
    ignore_absent(fs::remove_dir(node.runs()))?;
    for file in ["incarnation", "lock"] {
        ignore_absent(fs::remove_file(root.join(file)))?;
    }
    // Its maker may keep more in it.
    let _removed = fs::remove_dir(root);
    Ok(())
}

fn ignore_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
