//! Where the cgroup hierarchies are mounted, and where in them we are.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The hierarchies that we can see.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    hierarchies: Vec<Hierarchy>,
}

/// One hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    /// Controllers of a v1 hierarchy; `None` for the unified one.
    controllers: Option<Vec<String>>,
    /// The folder of the group that we are in.
    current: PathBuf,
}

impl Mounts {
    /// Reads them from `/proc`.
    pub(super) fn read() -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let groups = fs::read_to_string("/proc/self/cgroup")?;
        Ok(Self::parse(&mounts, &groups))
    }

    /// Our group in the v1 hierarchy of a controller.
    pub(super) fn v1(&self, controller: &str) -> Option<&Path> {
        let has = |hierarchy: &&Hierarchy| {
            let controllers = hierarchy.controllers.as_ref();
            controllers.is_some_and(|all| all.iter().any(|one| one == controller))
        };
        Some(&self.hierarchies.iter().find(has)?.current)
    }

    /// Our group in the unified hierarchy.
    pub(super) fn unified(&self) -> Option<&Path> {
        Some(&self.hierarchies.iter().find(|one| one.controllers.is_none())?.current)
    }

    fn parse(mounts: &str, groups: &str) -> Self {
        let hierarchies = mounts.lines().filter_map(|line| hierarchy(line, groups)).collect();
        Self { hierarchies }
    }
}

/// A line of mountinfo: `36 35 0:30 /root /mount/point options - type source super-options`.
fn hierarchy(line: &str, groups: &str) -> Option<Hierarchy> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, point) = (mount.next()?, mount.next()?);
    let mut file_system = file_system.split(' ');
    let (kind, options) = (file_system.next()?, file_system.nth(1)?);
    // `4:memory:/path`, or `0::/path` for the unified hierarchy.
    let mut groups = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let (controllers, path) = match kind {
        "cgroup2" => (None, groups.find(|(names, _)| names.is_empty())?.1),
        "cgroup" => {
            let of_mount = |names: &str| {
                !names.is_empty()
                    && names.split(',').all(|name| options.split(',').any(|option| option == name))
            };
            let (names, path) = groups.find(|(names, _)| of_mount(names))?;
            (Some(names.split(',').map(str::to_owned).collect()), path)
        }
        _ => return None,
    };
    // In a container the mount may show a part of the hierarchy alone.
    let below = Path::new(path).strip_prefix(root).ok()?;
    let current = Path::new(&unescape(point)).join(below);
    Some(Hierarchy { controllers, current })
}

/// mountinfo writes a space as `\040`.
fn unescape(point: &str) -> String {
    point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
34 31 0:31 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn our_groups_are_found_in_each_hierarchy() {
        let groups = "4:memory:/docker/x/y\n1:cpu,cpuacct:/\n9:name=systemd:/z\n0::/u\n";
        let mounts = Mounts::parse(HYBRID, groups);
        assert_eq!(mounts.v1("cpu"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct/")));
        assert_eq!(mounts.v1("memory"), Some(Path::new("/sys/fs/cgroup/memory/y")));
        assert_eq!(mounts.v1("pids"), None);
        assert_eq!(mounts.unified(), Some(Path::new("/sys/fs/cgroup/uni fied/u")));
    }

    #[test]
    fn a_group_outside_what_is_mounted_is_not_ours_to_use() {
        let mounts = Mounts::parse(HYBRID, "4:memory:/elsewhere\n");
        assert_eq!(mounts.v1("memory"), None);
    }
}
