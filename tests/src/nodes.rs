//! The end of all nodes of a data folder: nothing of them outlives a story.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rustix::process::Signal;

use crate::{cgroups, processes, wait};

/// Kills every process of the nodes in `DATA/nodes` and removes their cgroups; the folders can be removed then.
pub(crate) fn clear(data: &Path) -> Result<()> {
    let folders = processes::node_folders(data)?;
    wait::until("the death of all processes of the nodes", || {
        let left = processes::of_nodes(&folders)?;
        // Masters first: they would start others.
        left.iter().try_for_each(|process| process.signal(Signal::KILL))?;
        Ok(left.is_empty().then_some(()))
    })?;
    remove_groups(&folders)?;
    for (_, folder) in folders {
        open_up(&folder);
    }
    Ok(())
}

fn remove_groups(folders: &[(String, PathBuf)]) -> Result<()> {
    let ids: Vec<&str> = folders.iter().map(|(id, _)| id.as_str()).collect();
    let groups = cgroups::of_nodes(&ids)?;
    wait::until("the removal of the nodes' cgroups", || {
        groups.iter().try_for_each(|group| cgroups::remove(group))?;
        Ok(Some(()))
    })
}

/// Lets us remove what a run has made unwritable.
fn open_up(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // What cannot be opened is told by the removal of the whole.
            drop(fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700)));
            open_up(&entry.path());
        }
    }
}
