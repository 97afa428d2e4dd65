//! Removes the cgroups of a keeper that could not do so itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::census::is_group_of;

/// How deep below a mount they are looked for: those of services and containers are not deeper.
const DEPTH: usize = 8;

/// Removes the groups of a node in all hierarchies that are mounted. Its processes have ended.
pub(super) fn remove_of(folder_id: &str) -> io::Result<()> {
    for mount in mounts(&fs::read_to_string("/proc/self/mountinfo")?) {
        remove_below(&mount, folder_id, DEPTH)?;
    }
    Ok(())
}

/// Where hierarchies are mounted: `36 35 0:30 /root /mount/point options - type ...`.
fn mounts(mountinfo: &str) -> Vec<PathBuf> {
    let point = |line: &str| {
        let (mount, file_system) = line.split_once(" - ")?;
        let is_cgroup = file_system.starts_with("cgroup ") || file_system.starts_with("cgroup2 ");
        let point = mount.split(' ').nth(4).filter(|_| is_cgroup)?;
        Some(PathBuf::from(point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")))
    };
    mountinfo.lines().filter_map(point).collect()
}

fn remove_below(folder: &Path, folder_id: &str, depth: usize) -> io::Result<()> {
    for inner in folders(folder)? {
        let name = inner.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if is_group_of(name, folder_id) {
            remove_tree(&inner)?;
        } else if depth > 0 {
            remove_below(&inner, folder_id, depth - 1)?;
        }
    }
    Ok(())
}

/// A cgroup is removed as a folder without regard to the files in it, but not with groups in it.
fn remove_tree(folder: &Path) -> io::Result<()> {
    for inner in folders(folder)? {
        remove_tree(&inner)?;
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("cannot remove {}: {error}", folder.display())))
        }
        Ok(()) => Ok(()),
    }
}

/// The folders in a folder; none if it is gone or not ours to look into.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            33 31 0:30 /x /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory\n\
            34 31 0:31 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw\n";
        let wanted = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/uni fied"].map(PathBuf::from);
        assert_eq!(mounts(mountinfo), wanted);
    }

    #[test]
    fn only_the_groups_of_the_node_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let ours = root.path().join("service/tidegate-n1-fe01-a2");
        let theirs = root.path().join("service/tidegate-n2-fe01-a3/slot1");
        fs::create_dir_all(ours.join("slot1")).unwrap();
        fs::create_dir_all(&theirs).unwrap();
        remove_below(root.path(), "fe01-a2", DEPTH).unwrap();
        assert!(!ours.exists() && theirs.exists());
    }
}
