//! CPU time of a server and of all that it starts, commands included: by a cgroup that they live in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// A cgroup that counts CPU time. Removed when dropped; nothing may live in it then.
#[derive(Debug)]
pub(crate) struct Account {
    folder: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// cgroup v1's `cpuacct`: nanoseconds in `cpuacct.usage`.
    V1,
    /// cgroup v2: microseconds in `cpu.stat`.
    V2,
}

impl Account {
    /// Opens one beside this process's own group.
    ///
    /// # Errors
    /// The machine has no such cgroups, or we may not make one; the error says which.
    pub(crate) fn open() -> Result<Account> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("cannot read what is mounted")?;
        let own = fs::read_to_string("/proc/self/cgroup").context("cannot read this process's cgroups")?;
        let Some((kind, folder)) = place(&mounts, &own) else {
            bail!("no cgroup that counts CPU time is mounted")
        };
        let folder = folder.join(format!("tidegate-bench-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Account { folder, kind })
    }

    /// Puts a process, and all that it starts from now on, on this account.
    pub(crate) fn enter(&self, pid: i32) -> Result<()> {
        let file = self.folder.join("cgroup.procs");
        fs::write(&file, pid.to_string()).with_context(|| format!("cannot write to {}", file.display()))
    }

    /// What was used so far, in microseconds.
    pub(crate) fn micros(&self) -> Result<u64> {
        let name = match self.kind {
            Kind::V1 => "cpuacct.usage",
            Kind::V2 => "cpu.stat",
        };
        let path = self.folder.join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let micros = match self.kind {
            Kind::V1 => text.trim().parse::<u64>().ok().map(|nanos| nanos / 1000),
            Kind::V2 => text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.trim().parse().ok()),
        };
        micros.with_context(|| format!("{} is not as expected: {text}", path.display()))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.folder) {
            eprintln!("the cgroup {} is left behind: {error}", self.folder.display());
        }
    }
}

/// Where this process is in a hierarchy that counts: v1's `cpuacct` if it is mounted, else v2.
fn place(mounts: &str, own: &str) -> Option<(Kind, PathBuf)> {
    let below = |mount: &Path, path: &str| mount.join(path.trim_start_matches('/'));
    let v1 = || {
        let mount = mounts.lines().find_map(|line| mount_of(line, "cgroup ", Some("cpuacct")))?;
        let path = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            fields.next()?.split(',').any(|name| name == "cpuacct").then(|| fields.next()).flatten()
        })?;
        Some((Kind::V1, below(&mount, path)))
    };
    let v2 = || {
        let mount = mounts.lines().find_map(|line| mount_of(line, "cgroup2 ", None))?;
        let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        Some((Kind::V2, below(&mount, path)))
    };
    v1().or_else(v2)
}

/// Where a hierarchy is mounted: `36 35 0:30 /root /mount/point options - type source options`.
fn mount_of(line: &str, kind: &str, option: Option<&str>) -> Option<PathBuf> {
    let (mount, file_system) = line.split_once(" - ")?;
    let options = file_system.strip_prefix(kind)?.rsplit(' ').next()?;
    let has = option.is_none_or(|option| options.split(',').any(|has| has == option));
    has.then(|| mount.split(' ').nth(4).map(PathBuf::from)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_that_counts_is_found() {
        let v1 = "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n";
        let v2 = "31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let own = "4:cpu,cpuacct:/a/b\n0::/c\n";
        let expected = (Kind::V1, PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/a/b"));
        assert_eq!(place(&format!("{v2}{v1}"), own), Some(expected));
        assert_eq!(place(v2, own), Some((Kind::V2, PathBuf::from("/sys/fs/cgroup/unified/c"))));
        assert_eq!(place("", own), None);
    }
}
