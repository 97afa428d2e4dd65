//! Confinement: which limits this machine lets us enforce, and the groups that enforce them.
//!
//! A slot has a group of its own, which is kept from run to run: to move a process between groups makes the whole
//! machine's forks wait for a grace period of the kernel, and to make one is slow as well.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::{protocol::Limits, spawn::Command};

mod mounts;
mod none;
mod v1;
mod v2;

/// How long what is in a group may take to die before we say that it does not.
const DEATH: Duration = Duration::from_secs(10);

/// What is enforced on the runs of this node, to be shown to people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confinement {
    /// By what: `cgroup v1`, `cgroup v2` or `none`.
    pub mechanism: String,
    /// The limit on memory.
    pub memory: bool,
    /// The limit on CPU time.
    pub cpu: bool,
    /// The limit on processes.
    pub pids: bool,
    /// Why something is not enforced, one plain sentence each.
    pub notes: Vec<String>,
}

/// Where the groups of this node are made.
#[derive(Debug)]
pub(super) enum Root {
    V1(v1::Root),
    V2(v2::Root),
    None,
}

/// The group of one slot.
#[derive(Debug)]
pub(super) enum Group {
    V1(v1::Group),
    V2(v2::Group),
    None(none::Group),
}

/// Finds out what can be enforced, and makes the root for it, named `name`. `wanted` is false when the operator
/// switched cgroups off.
pub(super) fn detect(name: &str, wanted: bool) -> (Root, Confinement) {
    if !wanted {
        return (
            Root::None,
            none::confinement(vec!["cgroups are switched off by the configuration".to_owned()]),
        );
    }
    let mounts = match mounts::Mounts::read() {
        Ok(mounts) => mounts,
        Err(error) => {
            return (
                Root::None,
                none::confinement(vec![format!("cannot read /proc/self/mountinfo: {error}")]),
            );
        }
    };
    let mut notes = Vec::new();
    if let Some(home) = mounts.unified()
        && let parents = v2::parents(home)
        && !parents.is_empty()
    {
        match v2::Root::make(home, &parents, name) {
            Ok((root, confinement)) => return (Root::V2(root), confinement),
            Err(note) => notes.push(note),
        }
    }
    match v1::Root::make(&mounts, name, &mut notes) {
        Some((root, confinement)) => (Root::V1(root), Confinement { notes, ..confinement }),
        None => (Root::None, none::confinement(notes)),
    }
}

impl Root {
    /// The folders to remove when this keeper has died.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        match self {
            Self::V1(root) => root.folders(),
            Self::V2(root) => vec![root.folder().to_owned()],
            Self::None => Vec::new(),
        }
    }

    /// Groups hold the processes of a run, whatever they do to get away.
    pub(super) fn holds(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Makes the group of slot `number`.
    pub(super) fn group(&self, number: u64) -> io::Result<Group> {
        match self {
            Self::V1(root) => root.group(number).map(Group::V1),
            Self::V2(root) => root.group(number).map(Group::V2),
            Self::None => Ok(Group::None(none::Group)),
        }
    }

    /// Removes everything made, killing what is still inside.
    pub(super) fn remove(&self) -> io::Result<()> {
        if let Self::V2(root) = self {
            root.leave()?;
        }
        self.folders().iter().try_for_each(|folder| remove_tree(folder))
    }
}

impl Group {
    /// Puts the calling thread, a slot's, where its children are to be. To be called once.
    pub(super) fn enter(&self) -> io::Result<()> {
        match self {
            Self::V1(group) => group.enter(),
            Self::V2(_) | Self::None(_) => Ok(()),
        }
    }

    /// The limits last set.
    pub(super) fn limits(&self) -> Limits {
        match self {
            Self::V1(group) => group.limits(),
            Self::V2(group) => group.limits(),
            Self::None(_) => Limits::default(),
        }
    }

    /// Sets the limits that can be enforced, if they are not set already.
    pub(super) fn limit(&self, limits: &Limits) -> io::Result<()> {
        match self {
            Self::V1(group) => group.limit(limits),
            Self::V2(group) => group.limit(limits),
            Self::None(_) => Ok(()),
        }
    }

    /// Starts a command inside, from the slot's own thread.
    pub(super) fn spawn(&self, command: &Command) -> io::Result<i32> {
        match self {
            Self::V1(_) | Self::None(_) => command.spawn(),
            Self::V2(group) => group.spawn(command),
        }
    }

    /// Whether anything but the ended, unreaped command is alive inside. `None`: this group cannot tell.
    pub(super) fn leftovers(&self) -> io::Result<Option<bool>> {
        match self {
            Self::V1(group) => group.leftovers().map(Some),
            Self::V2(group) => group.leftovers().map(Some),
            Self::None(_) => Ok(None),
        }
    }

    /// Signals everything inside with SIGKILL and lets nothing new begin; `None`: this group cannot.
    pub(super) fn kill(&self) -> io::Result<Option<()>> {
        match self {
            Self::V1(group) => group.kill().map(Some),
            Self::V2(group) => group.kill().map(Some),
            Self::None(_) => Ok(None),
        }
    }

    /// Kills everything inside until it is empty.
    pub(super) fn kill_until_empty(&self) -> io::Result<()> {
        let deadline = Instant::now() + DEATH;
        while self.leftovers()? == Some(true) {
            if Instant::now() > deadline {
                return Err(io::Error::other("processes of the run do not die by SIGKILL"));
            }
            self.kill()?;
            super::orphans::reap()?;
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// How many processes the kernel has killed for memory since this was last asked.
    pub(super) fn new_oom_kills(&self) -> io::Result<u64> {
        match self {
            Self::V1(group) => group.new_oom_kills(),
            Self::V2(group) => group.new_oom_kills(),
            Self::None(_) => Ok(0),
        }
    }

    /// Removes the group. Its slot's thread must have ended.
    pub(super) fn remove(&self) -> io::Result<()> {
        match self {
            Self::V1(group) => group.folders().try_for_each(remove_tree),
            Self::V2(group) => remove_tree(group.folder()),
            Self::None(_) => Ok(()),
        }
    }
}

/// Removes a folder of groups and the groups in it, first killing what is inside, but never ourselves.
pub(super) fn remove_tree(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    let deadline = Instant::now() + DEATH;
    loop {
        kill_members(&folder.join("cgroup.procs"))?;
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline => {
                super::orphans::reap()?;
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => {
                return Err(io::Error::new(
                    error.kind(),
                    format!("cannot remove {}: {error}", folder.display()),
                ));
            }
            Ok(()) => return Ok(()),
        }
    }
}

/// Signals all members of a group but ourselves with SIGKILL; how many there were.
fn kill_members(procs: &Path) -> io::Result<usize> {
    let members = members(procs)?;
    for &pid in &members {
        // It may have ended since.
        match kill_process(pid, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(members.len())
}

/// The living members of a group, ourselves left out.
fn members(procs: &Path) -> io::Result<Vec<Pid>> {
    let own = std::process::id() as i32;
    let list = fs::read_to_string(procs)?;
    // 0 stands for a process of a process namespace that we cannot see.
    let foreign = |pid: &i32| *pid != own && *pid > 0;
    Ok(list.lines().filter_map(|line| line.parse().ok()).filter(foreign).filter_map(Pid::from_raw).collect())
}

/// Writes one value of a group, with an error that says which.
fn set(file: &Path, value: impl ToString) -> io::Result<()> {
    let value = value.to_string();
    // Not `fs::write`, which would create what the kernel does not offer.
    let write = |file: &Path| {
        io::Write::write_all(&mut fs::OpenOptions::new().write(true).open(file)?, value.as_bytes())
    };
    write(file).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot write {value} to {}: {error}", file.display()))
    })
}
