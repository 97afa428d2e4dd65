//! A process, never mistaken for a later one with the same id.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use crate::wait;

/// A process by its id and the moment of its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle {
    pub(crate) pid: i32,
    pub(crate) started: u64,
}

/// What the kernel tells of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stat {
    /// When it was started, in ticks since the kernel was.
    pub(crate) started: u64,
    /// Who has started it, or has taken it over.
    pub(crate) parent: i32,
    /// Whether it has ended and waits to be reaped.
    pub(crate) ended: bool,
    /// Whether it was stopped by a signal.
    pub(crate) stopped: bool,
}

impl Handle {
    /// The living process with this id.
    pub(crate) fn of(pid: i32) -> Option<Handle> {
        let stat = stat(pid).filter(|stat| !stat.ended)?;
        Some(Handle { pid, started: stat.started })
    }

    /// Whether it lives.
    pub(crate) fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.started == self.started && !stat.ended)
    }

    /// Whether all its threads were stopped by a signal; one that has ended is as still.
    pub(crate) fn is_still(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten();
        let mut threads = threads.filter_map(|thread| read(&thread.path().join("stat")));
        !self.is_alive() || threads.all(|thread| thread.stopped || thread.ended)
    }

    /// Kills it by SIGKILL and waits until it is dead. To be dead already is as good.
    pub(crate) fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        wait::until(&format!("the death of process {}", self.pid), || Ok((!self.is_alive()).then_some(())))
    }

    /// Sends a signal, if it lives.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        let sent = match pidfd_open(pid, PidfdFlags::empty()) {
            // Looked at after the opening: if it is the same now, the descriptor is its own.
            Ok(process) if self.is_alive() => pidfd_send_signal(process, signal),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot signal process {}", self.pid)),
        }
    }
}

/// The ids of all processes.
pub(crate) fn all() -> Result<Vec<i32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(found)
}

/// What the kernel tells of the process with this id; `None` if there is none.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    read(Path::new(&format!("/proc/{pid}/stat")))
}

fn read(path: &Path) -> Option<Stat> {
    let stat = fs::read_to_string(path).ok()?;
    // The command's name, in parentheses, may hold anything, parentheses and spaces too.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let state = *fields.first()?;
    Some(Stat {
        started: fields.get(19)?.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        ended: matches!(state, "Z" | "X"),
        stopped: state == "T",
    })
}
