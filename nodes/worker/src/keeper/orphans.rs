//! Processes whose parent died. The keeper is the subreaper of all that it starts, so that they fall to it: it reaps
//! them, and without cgroups it is by them that it finds what a run leaves behind.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::{
    procfs::{self, Process},
    run::Run,
};

/// The variable by which descendants are known, where there are no cgroups: `FOLDER-ID:FENCE`.
pub(super) const MARK: &str = "TIDEGATE_RUN_MARK";

/// How long they may take to die.
const DEATH: Duration = Duration::from_secs(10);

/// Held from the reading of an id to the signal: nobody reaps in between, so the id is still that process's.
static REAPING: Mutex<()> = Mutex::new(());

/// The runs that live, by fence.
pub(super) type Live = BTreeMap<u64, Arc<Run>>;

fn reaping() -> MutexGuard<'static, ()> {
    REAPING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The value of [`MARK`] for an attempt.
pub(super) fn mark(folder_id: &str, fence: u64) -> String {
    format!("{folder_id}:{fence}")
}

/// Reaps all adopted processes that have ended.
pub(super) fn reap() -> io::Result<()> {
    let _held = reaping();
    for pid in procfs::adopted()?.into_iter().filter_map(Pid::from_raw) {
        bury(pid)?;
    }
    Ok(())
}

/// Reaps one process if it has ended. Not to be there, or not ours, is as good.
fn bury(pid: Pid) -> io::Result<()> {
    match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
        Ok(_) | Err(rustix::io::Errno::CHILD) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether anything that `fence` left behind is alive; `kill` signals it with SIGKILL as well.
pub(super) fn left_by(fence: u64, folder_id: &str, live: &Mutex<Live>, kill: bool) -> io::Result<bool> {
    let _held = reaping();
    let adopted = procfs::adopted()?;
    if adopted.is_empty() {
        return Ok(false);
    }
    let live = live.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut left = false;
    for process in adopted.into_iter().filter_map(procfs::process) {
        let Some(pid) = Pid::from_raw(process.pid) else {
            continue;
        };
        if process.zombie {
            bury(pid)?;
        } else if matches!(owner(&process, folder_id, &live), Some(owner) if owner != fence) {
            // Another run's, to be seen to when that one ends.
        } else {
            left = true;
            if kill {
                signal(pid)?;
            }
        }
    }
    Ok(left)
}

/// Kills what `fence` left behind until nothing of it is alive.
pub(super) fn kill_left_by(fence: u64, folder_id: &str, live: &Mutex<Live>) -> io::Result<()> {
    let deadline = Instant::now() + DEATH;
    while left_by(fence, folder_id, live, true)? {
        if Instant::now() > deadline {
            return Err(io::Error::other("processes of the run do not die by SIGKILL"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The living run that an adopted process belongs to: by the mark in its environment; else by its session; else, when
/// it has thrown both away, the run that could have started it and has lived longest.
fn owner(process: &Process, folder_id: &str, live: &Live) -> Option<u64> {
    let mark = procfs::environment_variable(process.pid, MARK);
    if let Some((id, fence)) = mark.as_deref().and_then(|mark| mark.split_once(':'))
        && id == folder_id
        && let Ok(fence) = fence.parse()
    {
        return live.contains_key(&fence).then_some(fence);
    }
    if let Some((fence, _)) = live.iter().find(|(_, run)| run.session() == Some(process.session)) {
        return Some(*fence);
    }
    let could =
        |run: &Run| run.started_boot_us().is_some_and(|at| at <= process.started_boot_us + procfs::tick_us());
    let oldest = live.iter().filter(|(_, run)| could(run)).min_by_key(|(_, run)| run.started_boot_us());
    oldest.map(|(fence, _)| *fence)
}

/// Signals the session of `leader` and all its descendants with SIGKILL. The caller holds what keeps the leader from
/// being reaped.
pub(super) fn kill_tree(leader: i32) -> io::Result<()> {
    let _held = reaping();
    let all = procfs::processes()?;
    let mut tree: Vec<i32> = all.iter().filter(|one| one.session == leader).map(|one| one.pid).collect();
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        let children = all.iter().filter(|one| one.parent == parent && !tree.contains(&one.pid));
        let children: Vec<i32> = children.map(|one| one.pid).collect();
        tree.extend(children);
        next += 1;
    }
    tree.into_iter().filter_map(Pid::from_raw).try_for_each(signal)
}

fn signal(pid: Pid) -> io::Result<()> {
    match kill_process(pid, Signal::KILL) {
        // It may have ended since.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
