//! cgroup v2: one hierarchy, whose groups take whole processes. The command is born in its group by `clone3`.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
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
    oom_kills: AtomicU64,
}

impl Root {
    /// Makes the root below our own group, or beside it where our own may not have groups with limits below it.
    pub(super) fn make(home: &Path, name: &str) -> Result<(Self, Confinement), String> {
        let mut refused = Vec::new();
        for parent in [Some(home), home.parent()].into_iter().flatten() {
            match Self::make_below(parent, home, name) {
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

    fn make_below(parent: &Path, home: &Path, name: &str) -> io::Result<Self> {
        let folder = parent.join(name);
        remove_tree(&folder)?;
        fs::create_dir(&folder).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make {}: {error}", folder.display()))
        })?;
        let offered = fs::read_to_string(parent.join("cgroup.controllers"))?;
        let offered: Vec<&str> =
            offered.split_ascii_whitespace().filter(|name| CONTROLLERS.contains(name)).collect();
        let root = Self { folder, home: home.to_owned(), enforced: confinement(&offered) };
        match root.enable(parent, &offered) {
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
    fn enable(&self, parent: &Path, controllers: &[&str]) -> io::Result<()> {
        let list: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
        let list = list.join(" ");
        let control = parent.join("cgroup.subtree_control");
        if let Err(error) = set(&control, &list) {
            if parent != self.home {
                return Err(error);
            }
            let leaf = self.folder.join("keeper");
            fs::create_dir(&leaf)?;
            set(&leaf.join("cgroup.procs"), 0)?;
            set(&control, &list)?;
        }
        set(&self.folder.join("cgroup.subtree_control"), &list)
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
        let list: Vec<String> = CONTROLLERS.iter().map(|name| format!("-{name}")).collect();
        set(&self.folder.join("cgroup.subtree_control"), list.join(" "))?;
        set(&self.home.join("cgroup.subtree_control"), list.join(" "))?;
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

    pub(super) fn kill(&self) -> io::Result<()> {
        let kill = self.folder.join("cgroup.kill");
        if kill.exists() {
            return set(&kill, 1);
        }
        // Before Linux 5.14.
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
