//! cgroup v1: memory, cpu and pids, each in a hierarchy of its own.
//!
//! A v1 group takes single threads. The slot's thread lives in it, and what it spawns is born there.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{Confinement, Limits, kill_members, members, mounts::Mounts, remove_tree, set};

/// One period of the CPU limit, in microseconds: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;
/// The smallest quota the kernel takes.
const CPU_QUOTA_MIN_US: u64 = 1_000;

/// The folders of our groups, for the controllers that we may use.
#[derive(Debug)]
pub(in super::super) struct Root {
    folders: Controllers,
}

/// A folder for each controller.
#[derive(Debug, Default, Clone)]
struct Controllers {
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
    pids: Option<PathBuf>,
}

/// The groups of one slot.
#[derive(Debug)]
pub(in super::super) struct Group {
    folders: Controllers,
    /// The limits in force.
    limits: Mutex<Limits>,
    /// `pids.max` is 0 for the killing of what was inside, whatever `limits` says.
    sealed: AtomicBool,
    /// `pids.current`, open, since it is read at the end of every run.
    count: Option<File>,
    /// Kills for memory, as last seen.
    oom_kills: AtomicU64,
}

impl Controllers {
    fn all(&self) -> impl Iterator<Item = &Path> {
        [&self.pids, &self.cpu, &self.memory].into_iter().flatten().map(PathBuf::as_path)
    }

    fn join(&self, name: &str) -> Self {
        let below = |folder: &Option<PathBuf>| folder.as_ref().map(|folder| folder.join(name));
        Self { memory: below(&self.memory), cpu: below(&self.cpu), pids: below(&self.pids) }
    }
}

impl Root {
    /// Makes the root in each hierarchy where that is allowed; says in `notes` why not elsewhere.
    pub(super) fn make(mounts: &Mounts, name: &str, notes: &mut Vec<String>) -> Option<(Self, Confinement)> {
        let mut make = |controller: &str, needs: &str| {
            let current = mounts.v1(controller)?;
            match usable(&current.join(name), needs) {
                Ok(folder) => Some(folder),
                Err(error) => {
                    notes.push(format!("the {controller} limit is not enforced: {error}"));
                    None
                }
            }
        };
        let folders = Controllers {
            memory: make("memory", "memory.limit_in_bytes"),
            cpu: make("cpu", "cpu.cfs_quota_us"),
            pids: make("pids", "pids.max"),
        };
        folders.all().next()?;
        let confinement = Confinement {
            mechanism: "cgroup v1".to_owned(),
            memory: folders.memory.is_some(),
            cpu: folders.cpu.is_some(),
            pids: folders.pids.is_some(),
            notes: Vec::new(),
        };
        Some((Self { folders }, confinement))
    }

    pub(super) fn folders(&self) -> Vec<PathBuf> {
        self.folders.all().map(Path::to_owned).collect()
    }

    pub(super) fn group(&self, number: u64) -> io::Result<Group> {
        let folders = self.folders.join(&format!("slot-{number}"));
        for folder in folders.all() {
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(io::Error::new(
                        error.kind(),
                        format!("cannot make {}: {error}", folder.display()),
                    ));
                }
                _ => {}
            }
        }
        let count =
            folders.pids.as_ref().map(|folder| File::open(folder.join("pids.current"))).transpose()?;
        let group = Group {
            folders,
            limits: Mutex::default(),
            sealed: AtomicBool::new(false),
            count,
            oom_kills: AtomicU64::new(0),
        };
        Ok(group)
    }
}

/// Makes a root, empty, and checks that its groups can enforce anything.
fn usable(folder: &Path, needs: &str) -> io::Result<PathBuf> {
    let explain =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot make {}: {error}", folder.display()));
    remove_tree(folder)?;
    fs::create_dir(folder).map_err(explain)?;
    let file = folder.join(needs);
    match fs::OpenOptions::new().write(true).open(&file) {
        Ok(_) => Ok(folder.to_owned()),
        Err(error) => {
            fs::remove_dir(folder)?;
            Err(io::Error::new(error.kind(), format!("cannot write to {}: {error}", file.display())))
        }
    }
}

impl Group {
    pub(super) fn enter(&self) -> io::Result<()> {
        // 0 is the thread that writes.
        self.folders.all().try_for_each(|folder| set(&folder.join("tasks"), 0))
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.all()
    }

    pub(super) fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limit(&self, limits: &Limits) -> io::Result<()> {
        let mut now = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &self.folders.memory
            && now.memory_bytes != limits.memory_bytes
        {
            limit_memory(folder, now.memory_bytes, limits.memory_bytes)?;
            now.memory_bytes = limits.memory_bytes;
        }
        if let Some(folder) = &self.folders.cpu
            && now.cpu_milli != limits.cpu_milli
        {
            let quota =
                limits.cpu_milli.map(|milli| (u64::from(milli) * CPU_PERIOD_US / 1000).max(CPU_QUOTA_MIN_US));
            set(&folder.join("cpu.cfs_quota_us"), quota.map_or("-1".to_owned(), |quota| quota.to_string()))?;
            now.cpu_milli = limits.cpu_milli;
        }
        if let Some(folder) = &self.folders.pids
            && (now.pids != limits.pids || self.sealed.load(Ordering::Relaxed))
        {
            // One more than asked: the slot's own thread is inside.
            let max = limits.pids.map_or("max".to_owned(), |pids| (u64::from(pids) + 1).to_string());
            set(&folder.join("pids.max"), max)?;
            self.sealed.store(false, Ordering::Relaxed);
            now.pids = limits.pids;
        }
        Ok(())
    }

    pub(super) fn leftovers(&self) -> io::Result<bool> {
        if let Some(count) = &self.count {
            let mut text = [0; 24];
            let len = count.read_at(&mut text, 0)?;
            // The slot's own thread, and the command, which has ended and is not reaped.
            if matches!(text[..len].trim_ascii_end(), b"0" | b"1" | b"2") {
                return Ok(false);
            }
        }
        // More are counted: they may be zombies, which are not listed.
        let Some(folder) = self.folders.all().next() else {
            return Ok(false);
        };
        Ok(!members(&folder.join("cgroup.procs"))?.is_empty())
    }

    pub(super) fn kill(&self) -> io::Result<()> {
        let Some(folder) = self.folders.all().next() else {
            return Ok(());
        };
        // Nothing forks from here on, so even a fork bomb has an end. The limit asked for comes back with the next run.
        if let Some(pids) = &self.folders.pids {
            set(&pids.join("pids.max"), 0)?;
            self.sealed.store(true, Ordering::Relaxed);
        }
        kill_members(&folder.join("cgroup.procs"))?;
        Ok(())
    }

    pub(super) fn new_oom_kills(&self) -> io::Result<u64> {
        let Some(folder) = &self.folders.memory else {
            return Ok(0);
        };
        let control = fs::read_to_string(folder.join("memory.oom_control"))?;
        // Kernels before 4.13 have no such line, and cannot tell.
        let line = control.lines().find_map(|line| line.strip_prefix("oom_kill "));
        let total = line.and_then(|count| count.trim().parse().ok()).unwrap_or(0);
        Ok(total - self.oom_kills.swap(total, Ordering::Relaxed).min(total))
    }
}

/// The limit on memory and swap together must never be below that on memory alone, at no moment.
fn limit_memory(folder: &Path, now: Option<u64>, limit: Option<u64>) -> io::Result<()> {
    let value = limit.map_or("-1".to_owned(), |bytes| bytes.to_string());
    let memory = folder.join("memory.limit_in_bytes");
    let with_swap = folder.join("memory.memsw.limit_in_bytes");
    let raised = limit.unwrap_or(u64::MAX) > now.unwrap_or(u64::MAX);
    let order = if raised { [&with_swap, &memory] } else { [&memory, &with_swap] };
    for file in order {
        // Kernels can be built without the accounting of swap.
        if file.exists() {
            set(file, &value)?;
        }
    }
    Ok(())
}
