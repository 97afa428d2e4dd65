//! The keeper: one small process a node that owns all runs of the node.
//!
//! It spawns them, waits for them, limits and stops them, and writes their exits down before it reports them, so that
//! neither a crash nor an upgrade of the agent touches a run. The agent talks to it over a unix socket
//! ([`protocol`]), by [`client`]. It decides nothing: what to start and when to stop is the agent's to say, but for
//! the timeout, which a run brings along.
//!
//! - Everything of a run is in a session of its own and, where the machine lets us, in a cgroup. **A run ends when its
//!   command ends**: what it leaves behind is killed.
//! - One thread a run, of a pool: it spawns and waits. Nothing here is asynchronous.
//! - The journal survives the death of processes, not of the machine: when the keeper itself dies, the next one kills
//!   what still runs and reports it lost.
//!
//! A systemd unit of the worker needs `KillMode=process` (else an upgrade of the agent kills the keeper and all runs),
//! and `Delegate=yes` for limits under cgroup v2.

use std::{
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

mod accept;
mod cgroup;
pub mod client;
mod deadlines;
mod folder;
mod house;
mod journal;
mod ledger;
mod link;
mod log_limit;
mod orders;
mod orphans;
mod procfs;
mod program;
pub mod protocol;
mod recover;
mod run;
mod slot;
mod slots;
mod spawn;
mod spawn_into;
#[cfg(test)]
mod tests;

pub use cgroup::Confinement;
pub use house::run;

/// How the keeper of a node is set up.
#[derive(Debug, Clone)]
pub struct KeeperConfig {
    /// The node's folder, where socket, journal, lock and log are.
    pub folder: PathBuf,
    /// The node's name, for the names of its cgroups.
    pub node: String,
    /// How long to stay without an attempt and without an agent.
    pub linger: Duration,
    /// How long a slot (a thread and its cgroup) is kept without a run.
    pub slot_idle: Duration,
    /// Use cgroups where the machine has them.
    pub cgroups: bool,
}

impl KeeperConfig {
    /// The usual settings: cgroups if there are any, ten minutes of staying, five of an idle slot.
    pub fn new(folder: impl Into<PathBuf>, node: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            node: node.into(),
            linger: Duration::from_secs(600),
            slot_idle: Duration::from_secs(300),
            cgroups: true,
        }
    }
}

/// The keeper cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Another keeper holds the folder.
    #[error("a keeper is already at work in {0}: connect to it instead")]
    AlreadyRunning(PathBuf),
    /// Something at the start, or the listening, failed.
    #[error("the keeper cannot {what}: {error}")]
    Io {
        /// What it tried.
        what: String,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
}

impl KeeperError {
    fn doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}

/// What all threads of the keeper share. Locks are taken in the order of the fields.
#[derive(Debug)]
struct Keeper {
    ledger: Mutex<ledger::Ledger>,
    live: Mutex<orphans::Live>,
    slots: slots::Slots,
    deadlines: deadlines::Deadlines,
    link: Arc<link::Link>,
    /// Names the folder among all of the machine.
    id: String,
    root: cgroup::Root,
    confinement: Confinement,
    /// Wakes the first thread.
    event: OwnedFd,
    /// The first thread looks around rarely, since nothing runs: wake it when something does.
    dozing: AtomicBool,
    leaving: AtomicBool,
}

impl Keeper {
    fn ledger(&self) -> MutexGuard<'_, ledger::Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> MutexGuard<'_, orphans::Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run has ended: nothing is due for it any more.
    fn forget_live(&self, run: &run::Run) {
        let fence = run.request.fence;
        self.live().remove(&fence);
        let control = run.control();
        if let Some(at) = control.timeout_at {
            self.deadlines.cancel(at, fence, deadlines::Due::Timeout);
        }
        if let Some(stop) = control.stop {
            self.deadlines.cancel(stop.kill_at, fence, deadlines::Due::Kill);
        }
    }

    /// Lets the first thread look around.
    fn wake(&self) {
        if let Err(error) = rustix::io::write(&self.event, &1_u64.to_ne_bytes()) {
            tracing::error!(%error, "the keeper's first thread cannot be woken");
        }
    }

    /// Begins to leave: every run is stopped, nothing new begins.
    fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }
}
