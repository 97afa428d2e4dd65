//! cgroup v2: one hierarchy, whose groups take whole processes. The command is born in its group by `clone3`.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{super::spawn::Command, Confinement, Limits, remove_tree, set};

/// The controllers that we use where they are offered.
pub(super) const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// One period of the CPU limit, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;
/// The smallest quota the kernel takes.
const CPU_QUOTA_MIN_US: u64 = 1_000;

/// The folder of our groups.
#[derive(Debug)]
pub(in super::super) struct Root {
    folder: PathBuf,
    /// The group that we were started in.
    home: PathBuf,
    enforced: Confinement,
}

/// The group of one slot.
#[derive(Debug)]
pub(in super::super) struct Group {
    folder: PathBuf,
    /// The folder, open, as `clone3` wants it.
    directory: File,
    /// `cgroup.events`, open, since it is read at the end of every run.
    events: File,
    enforced: Confinement,
    limits: Mutex<Limits>,
    /// It is frozen, for the killing of what was inside.
    frozen: AtomicBool,
    oom_kills: AtomicU64,
}

/// Where a root may be made: our own group, or the one that it is in, if controllers that we use are offered there.
/// (Where others gave us a group within a delegated one, the controllers stop at that one.)
pub(super) fn parents(home: &Path) -> Vec<(PathBuf, Vec<&'static str>)> {
    let offered = |parent: &Path| {
        let offered = fs::read_to_string(parent.join("cgroup.controllers")).ok()?;
        let ours =
            CONTROLLERS.into_iter().filter(|name| offered.split_ascii_whitespace().any(|one| one == *name));
        let ours: Vec<&str> = ours.collect();
        (!ours.is_empty()).then(|| (parent.to_owned(), ours))
    };
    [Some(home), home.parent()].into_iter().flatten().filter_map(offered).collect()
}

impl Root {
    /// Makes the root in the first of `parents` where that is allowed; `home` is the group that we are in.
    pub(super) fn make(
        home: &Path,
        parents: &[(PathBuf, Vec<&'static str>)],
        name: &str,
    ) -> Result<(Self, Confinement), String> {
        let mut refused = Vec::new();
        for (parent, offered) in parents {
            match Self::make_below(parent, home, offered, name) {
                Ok(root) => {
                    let confinement = root.enforced.clone();
                    return Ok((root, confinement));
                }
                Err(error) => refused.push(error.to_string()),
            }
        }
        let why = refused.join("; ");
        Err(format!(
            "cgroup v2 cannot be used: {why}. A systemd unit needs Delegate=yes and DelegateSubgroup="
        ))
    }

    fn make_below(parent: &Path, home: &Path, offered: &[&str], name: &str) -> io::Result<Self> {
        let folder = parent.join(name);
        remove_tree(&folder)?;
        fs::create_dir(&folder).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make {}: {error}", folder.display()))
        })?;
        let root = Self { folder, home: home.to_owned(), enforced: confinement(offered) };
        match root.enable(parent) {
            Ok(()) => Ok(root),
            Err(error) => {
                root.leave()?;
                remove_tree(&root.folder)?;
                Err(error)
            }
        }
    }

    /// Switches the controllers on. A group with processes of its own cannot have limited groups below it, so we move
    /// into a leaf if we are what is in the way.
    fn enable(&self, parent: &Path) -> io::Result<()> {
        let control = parent.join("cgroup.subtree_control");
        match set(&control, self.switch('+')) {
            Err(error) if parent == self.home && error.kind() == io::ErrorKind::ResourceBusy => {
                let leaf = self.folder.join("keeper");
                fs::create_dir(&leaf)?;
                set(&leaf.join("cgroup.procs"), 0)?;
                set(&control, self.switch('+'))?;
            }
            other => other?,
        }
        set(&self.folder.join("cgroup.subtree_control"), self.switch('+'))
    }

    /// All our controllers, to be switched on (`+`) or off (`-`).
    fn switch(&self, sign: char) -> String {
        let flags = [self.enforced.memory, self.enforced.cpu, self.enforced.pids];
        let ours = CONTROLLERS.into_iter().zip(flags).filter(|(_, enforced)| *enforced);
        ours.map(|(name, _)| format!("{sign}{name}")).collect::<Vec<_>>().join(" ")
    }

    /// Goes back to the group that we came from, so that ours can be removed.
    pub(super) fn leave(&self) -> io::Result<()> {
        let leaf = self.folder.join("keeper");
        if !leaf.exists() {
            return Ok(());
        }
        // Limited groups below forbid processes in their parent until they are gone.
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.is_dir() && path != leaf {
                remove_tree(&path)?;
            }
        }
        set(&self.folder.join("cgroup.subtree_control"), self.switch('-'))?;
        set(&self.home.join("cgroup.subtree_control"), self.switch('-'))?;
        set(&self.home.join("cgroup.procs"), 0)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn group(&self, number: u64) -> io::Result<Group> {
        let folder = self.folder.join(format!("slot-{number}"));
        fs::create_dir(&folder).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make {}: {error}", folder.display()))
        })?;
        Ok(Group {
            directory: File::open(&folder)?,
            events: File::open(folder.join("cgroup.events"))?,
            folder,
            enforced: self.enforced.clone(),
            limits: Mutex::default(),
            frozen: AtomicBool::new(false),
            oom_kills: AtomicU64::new(0),
        })
    }
}

fn confinement(offered: &[&str]) -> Confinement {
    let missing = CONTROLLERS.iter().filter(|name| !offered.contains(name));
    Confinement {
        mechanism: "cgroup v2".to_owned(),
        memory: offered.contains(&"memory"),
        cpu: offered.contains(&"cpu"),
        pids: offered.contains(&"pids"),
        notes: missing
            .map(|name| format!("the {name} limit is not enforced: its controller is not delegated to us"))
            .collect(),
    }
}

impl Group {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limit(&self, limits: &Limits) -> io::Result<()> {
        if self.frozen.swap(false, Ordering::Relaxed) {
            set(&self.folder.join("cgroup.freeze"), 0)?;
        }
        let mut now = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        if self.enforced.memory && now.memory_bytes != limits.memory_bytes {
            set(&self.folder.join("memory.max"), value(limits.memory_bytes))?;
            let swap = self.folder.join("memory.swap.max");
            if swap.exists() {
                set(&swap, if limits.memory_bytes.is_some() { "0" } else { "max" })?;
            }
            now.memory_bytes = limits.memory_bytes;
        }
        if self.enforced.cpu && now.cpu_milli != limits.cpu_milli {
            let quota =
                limits.cpu_milli.map(|milli| (u64::from(milli) * CPU_PERIOD_US / 1000).max(CPU_QUOTA_MIN_US));
            set(&self.folder.join("cpu.max"), format!("{} {CPU_PERIOD_US}", value(quota)))?;
            now.cpu_milli = limits.cpu_milli;
        }
        if self.enforced.pids && now.pids != limits.pids {
            set(&self.folder.join("pids.max"), value(limits.pids.map(u64::from)))?;
            now.pids = limits.pids;
        }
        Ok(())
    }

    pub(super) fn spawn(&self, command: &Command) -> io::Result<i32> {
        command.spawn_into(self.directory.as_fd())
    }

    pub(super) fn leftovers(&self) -> io::Result<bool> {
        let mut text = [0; 128];
        let len = self.events.read_at(&mut text, 0)?;
        Ok(text[..len].split(|&byte| byte == b'\n').any(|line| line == b"populated 1"))
    }

    /// Not by `cgroup.kill`: the kernel (6.18, and stable ones before) kills whatever `clone3` puts into a group that
    /// was ever killed so, at birth, and this group is to be used again. A frozen group does not fork, and dies all
    /// the same; the next run thaws it.
    pub(super) fn kill(&self) -> io::Result<()> {
        self.frozen.store(true, Ordering::Relaxed);
        set(&self.folder.join("cgroup.freeze"), 1)?;
        super::kill_members(&self.folder.join("cgroup.procs")).map(drop)
    }

    pub(super) fn new_oom_kills(&self) -> io::Result<u64> {
        if !self.enforced.memory {
            return Ok(0);
        }
        let events = fs::read_to_string(self.folder.join("memory.events"))?;
        let line = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        let total = line.and_then(|count| count.trim().parse().ok()).unwrap_or(0);
        Ok(total - self.oom_kills.swap(total, Ordering::Relaxed).min(total))
    }
}

fn value(limit: Option<u64>) -> String {
    limit.map_or("max".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::{super::mounts::Mounts, *};
    use crate::keeper::tests::request;

    /// A root without controllers, which any unified hierarchy can hold; removed when the test ends, well or not.
    struct Made(Root);

    impl Drop for Made {
        fn drop(&mut self) {
            remove_tree(self.0.folder()).unwrap();
        }
    }

    fn root(test: &str) -> Option<Made> {
        let mounts = Mounts::read().unwrap();
        let Some(home) = mounts.unified() else {
            println!("skipped: {test}: no cgroup v2 is mounted");
            return None;
        };
        let folder = home.join(format!("tidegate-{test}-{}", std::process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => Some(Made(Root { folder, home: home.to_owned(), enforced: confinement(&[]) })),
            Err(error) => {
                println!("skipped: {test}: cannot make {}: {error}", folder.display());
                None
            }
        }
    }

    fn run(group: &Group, line: &str) -> i32 {
        let folder = tempfile::tempdir().unwrap();
        let command = Command::new(&request(1, &["/bin/sh", "-c", line], folder.path()), None).unwrap();
        group.limit(&Limits::default()).unwrap();
        let pid = group.spawn(&command).unwrap();
        let mut status = 0;
        // SAFETY: our own child, and a pointer that lives through the call.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        status
    }

    #[test]
    fn a_group_is_used_again_after_all_in_it_were_killed() {
        let Some(root) = root("again") else {
            return;
        };
        let group = root.0.group(1).unwrap();
        for _ in 0..3 {
            assert_eq!(libc::WEXITSTATUS(run(&group, "exit 5")), 5);
            assert!(!group.leftovers().unwrap());
            // It goes on after its parent, in a session of its own, and takes no hint.
            assert_eq!(run(&group, "(trap '' TERM; setsid sleep 1000 > /dev/null 2>&1 &) & wait"), 0);
            assert!(group.leftovers().unwrap());
            let deadline = std::time::Instant::now() + super::super::DEATH;
            while group.leftovers().unwrap() {
                assert!(std::time::Instant::now() < deadline);
                group.kill().unwrap();
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn what_cannot_start_inside_says_why() {
        let Some(root) = root("refused") else {
            return;
        };
        let group = root.0.group(1).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let command = Command::new(&request(1, &["/no/such/program"], folder.path()), None).unwrap();
        assert_eq!(group.spawn(&command).unwrap_err().raw_os_error(), Some(libc::ENOENT));
    }
}
