//! One run in the keeper's hands: its process, and how it is being stopped.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI32, AtomicU64, Ordering},
    },
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{
    cgroup::Group,
    log_limit::LogLimit,
    orphans,
    protocol::{Cause, StartRequest},
};

/// A run, from its acceptance to its end.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) request: StartRequest,
    pub(super) logs: LogLimit,
    control: Mutex<Control>,
    /// Boot clock before its spawn, in microseconds; 0: not yet spawned.
    started_boot_us: AtomicU64,
    /// Its session, read without the lock; 0: not yet spawned.
    session: AtomicI32,
}

/// What must not change while the run is signalled.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// The command's process, from its spawn to its reaping: for that long the id is its own.
    pub(super) pid: Option<i32>,
    /// The group of its slot, from its spawn on.
    pub(super) group: Option<Arc<Group>>,
    /// It is being stopped.
    pub(super) stop: Option<Stop>,
    /// When its time is over.
    pub(super) timeout_at: Option<Instant>,
}

/// A stop under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    pub(super) cause: Cause,
    /// When SIGKILL follows.
    pub(super) kill_at: Instant,
}

impl Run {
    pub(super) fn new(request: StartRequest) -> Self {
        let logs = LogLimit::new(&request);
        Self {
            request,
            logs,
            control: Mutex::default(),
            started_boot_us: AtomicU64::new(0),
            session: AtomicI32::new(0),
        }
    }

    pub(super) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Boot clock before its spawn, in microseconds.
    pub(super) fn started_boot_us(&self) -> Option<u64> {
        Some(self.started_boot_us.load(Ordering::Relaxed)).filter(|&at| at != 0)
    }

    /// The session of its command.
    pub(super) fn session(&self) -> Option<i32> {
        Some(self.session.load(Ordering::Relaxed)).filter(|&session| session != 0)
    }

    /// Notes the boot clock just before the spawn.
    pub(super) fn set_started_boot_us(&self, at: u64) {
        self.started_boot_us.store(at, Ordering::Relaxed);
    }

    /// Notes the command's process, which leads its session, and the group that it is in.
    pub(super) fn set_process(&self, control: &mut Control, pid: i32, group: &Arc<Group>) {
        control.pid = Some(pid);
        control.group = Some(group.clone());
        self.session.store(pid, Ordering::Relaxed);
    }

    /// Kills everything of the run, as long as its command is not reaped. (What it leaves then is seen to by its slot.)
    pub(super) fn kill(&self) -> io::Result<()> {
        let control = self.control();
        let (Some(pid), Some(group)) = (control.pid, &control.group) else {
            return Ok(());
        };
        match group.kill()? {
            Some(()) => Ok(()),
            None => orphans::kill_tree(pid),
        }
    }
}

impl Control {
    /// Asks the command's process group to end, if it runs.
    pub(super) fn terminate(&self) -> io::Result<()> {
        let Some(pid) = self.pid.and_then(Pid::from_raw) else {
            return Ok(());
        };
        group_signal(pid, Signal::TERM)?;
        // A stopped process takes SIGTERM only once it goes on.
        group_signal(pid, Signal::CONT)
    }
}

fn group_signal(pid: Pid, signal: Signal) -> io::Result<()> {
    match kill_process_group(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
