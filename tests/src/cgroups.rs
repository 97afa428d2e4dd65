//! The cgroups that a killed server's nodes leave behind.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// How deep below a mount they are looked for.
const DEPTH: usize = 8;

/// Whether a group is named as a node's keeper names its own: `tidegate-NODE-FOLDERID`.
pub(crate) fn is_of(name: &str, folder_id: &str) -> bool {
    name.starts_with("tidegate-") && name.strip_suffix(folder_id).is_some_and(|name| name.ends_with('-'))
}

/// All groups of these nodes, in every hierarchy that is mounted.
pub(crate) fn of_nodes(folder_ids: &[&str]) -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("cannot read what is mounted")?;
    let mut found = Vec::new();
    for mount in mounts.lines().filter_map(mount_point) {
        collect(&mount, folder_ids, DEPTH, &mut found);
    }
    Ok(found)
}

/// Where a hierarchy is mounted: `36 35 0:30 /root /mount/point options - type ...`.
fn mount_point(line: &str) -> Option<PathBuf> {
    let (mount, file_system) = line.split_once(" - ")?;
    let is_cgroup = file_system.starts_with("cgroup ") || file_system.starts_with("cgroup2 ");
    mount.split(' ').nth(4).filter(|_| is_cgroup).map(PathBuf::from)
}

fn collect(folder: &Path, folder_ids: &[&str], depth: usize, found: &mut Vec<PathBuf>) {
    for inner in folders(folder) {
        let name = inner.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if folder_ids.iter().any(|id| is_of(name, id)) {
            found.push(inner);
        } else if depth > 0 {
            collect(&inner, folder_ids, depth - 1, found);
        }
    }
}

/// Removes a group and the groups in it. Nothing may live in it any more.
pub(crate) fn remove(group: &Path) -> io::Result<()> {
    for inner in folders(group) {
        remove(&inner)?;
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The folders in a folder; none if it has gone meanwhile.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}
