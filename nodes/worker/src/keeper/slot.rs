//! What a slot's thread does: lives in the slot's group, and sees one run after another from spawn to end.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::{
    Keeper,
    deadlines::{Due, after},
    journal::Record,
    ledger::bounded,
    orphans, procfs, program,
    protocol::{Cause, Exit, FromKeeper, Outcome},
    run::Run,
    slots::Slot,
    spawn::Command,
};

/// How often we look whether what a stopped command left behind uses its grace period.
const GRACE_POLL: Duration = Duration::from_millis(10);

/// A command that runs.
struct Started {
    pid: Pid,
    unix_us: u64,
}

/// The life of a slot's thread.
pub(super) fn live(keeper: &Arc<Keeper>, slot: &Arc<Slot>) {
    let entered = slot.group.enter();
    while let Some(run) = slot.next(&keeper.slots) {
        let usable = match &entered {
            Ok(()) => perform(keeper, slot, &run),
            Err(error) => {
                finish(keeper, &run, Err(format!("cannot enter the slot's cgroup: {error}")), None);
                false
            }
        };
        if !usable {
            break;
        }
    }
    keeper.slots.end(slot);
    keeper.wake();
}

/// Sees one run through; false if the slot must not be used again.
fn perform(keeper: &Arc<Keeper>, slot: &Arc<Slot>, run: &Arc<Run>) -> bool {
    let mut usable = true;
    let end = match start(keeper, slot, run) {
        Ok(started) => {
            arm_timeout(keeper, run);
            let exit = see_through(keeper, slot, run, &started, &mut usable);
            Ok(exit)
        }
        Err(error) => Err(error),
    };
    finish(keeper, run, end, usable.then_some(slot));
    usable
}

fn start(keeper: &Arc<Keeper>, slot: &Slot, run: &Run) -> Result<Started, String> {
    let request = &run.request;
    slot.group.limit(&request.limits).map_err(|error| format!("a limit cannot be set: {error}"))?;
    let mark = (!keeper.root.holds()).then(|| orphans::mark(&keeper.id, request.fence));
    let command = Command::new(request, mark.as_deref().map(|mark| (orphans::MARK, mark)))?;
    let mut control = run.control();
    let before = procfs::boot_us();
    run.set_started_boot_us(before);
    let pid = slot.group.spawn(&command).map_err(|error| program::diagnose(request, &error))?;
    let boot_us = (before, procfs::boot_us());
    run.set_process(&mut control, pid, &slot.group);
    let stopped = control.stop.map(|_| control.terminate()).transpose();
    drop(control);
    if let Err(error) = stopped {
        tracing::error!(fence = request.fence, %error, "a run told to stop before it began cannot be signalled");
    }
    let started =
        Started { pid: Pid::from_raw(pid).ok_or("the system gave no process id")?, unix_us: unix_us() };
    let spawned =
        Record::Spawned { fence: request.fence, pid: pid as u32, boot_us, started_unix_us: started.unix_us };
    keeper.ledger().write_or_keep(spawned);
    keeper.link.send([FromKeeper::Started {
        fence: request.fence,
        pid: pid as u32,
        started_unix_us: started.unix_us,
    }]);
    Ok(started)
}

fn arm_timeout(keeper: &Keeper, run: &Run) {
    if let Some(timeout_ms) = run.request.timeout_ms {
        let at = after(timeout_ms);
        run.control().timeout_at = Some(at);
        keeper.deadlines.arm(at, run.request.fence, Due::Timeout);
    }
}

/// From the spawn to the reaping.
fn see_through(keeper: &Keeper, slot: &Slot, run: &Run, started: &Started, usable: &mut bool) -> Exit {
    let fence = run.request.fence;
    await_end(started.pid);
    let ended_unix_us = unix_us();
    if let Err(error) = clear_leftovers(keeper, slot, run) {
        tracing::error!(fence, %error, "what a run left behind could not be removed; its slot is not used again");
        *usable = false;
    }
    let (outcome, cause, used) = reap(run, started.pid);
    let oom_killed = run.request.limits.memory_bytes.is_some()
        && slot.group.new_oom_kills().unwrap_or_else(|error| {
            tracing::warn!(fence, %error, "cannot tell whether a run was killed for its memory");
            0
        }) > 0;
    run.logs.enforce();
    Exit {
        fence,
        outcome,
        cause,
        oom_killed,
        started_unix_us: started.unix_us,
        ended_unix_us,
        cpu_us: used.cpu_us,
        max_rss_kib: used.max_rss_kib,
        log_truncated: run.logs.truncated(),
    }
}

/// Waits until the command has ended, and leaves it unreaped: its id stays its own.
fn await_end(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(error) = waitid(WaitId::Pid(pid), options) {
        if error != rustix::io::Errno::INTR {
            // Only a bug of ours, who reaped it elsewhere, comes here; the reaping says the rest.
            tracing::error!(%error, "cannot wait for a command");
            return;
        }
    }
}

/// A run ends when its command ends. What a stopped command leaves behind has what is left of the grace period;
/// what one leaves that ended by itself has none.
fn clear_leftovers(keeper: &Keeper, slot: &Slot, run: &Run) -> io::Result<()> {
    let fence = run.request.fence;
    let left = || match slot.group.leftovers()? {
        Some(left) => Ok(left),
        None => orphans::left_by(fence, &keeper.id, &keeper.live, false),
    };
    while left()? {
        let stop = run.control().stop;
        if stop.is_some_and(|stop| Instant::now() < stop.kill_at) {
            thread::sleep(GRACE_POLL);
        } else if keeper.root.holds() {
            slot.group.kill_until_empty()?;
        } else {
            orphans::kill_left_by(fence, &keeper.id, &keeper.live)?;
        }
    }
    Ok(())
}

/// What a command used.
struct Used {
    cpu_us: u64,
    max_rss_kib: u64,
}

/// Reaps the command, under the lock that signalling takes: nobody signals an id that is another's by now.
fn reap(run: &Run, pid: Pid) -> (Outcome, Cause, Used) {
    let mut control = run.control();
    control.pid = None;
    let cause = control.stop.map_or(Cause::Natural, |stop| stop.cause);
    let mut status = 0;
    // SAFETY: all zeros is a valid value of this plain structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to values that live through the call.
    let reaped = unsafe { libc::wait4(pid.as_raw_nonzero().get(), &mut status, 0, &mut usage) };
    let outcome = if reaped < 0 {
        let error = io::Error::last_os_error();
        Outcome::Lost {
            reason: format!("its exit status was taken by another part of this process: {error}"),
        }
    } else if libc::WIFSIGNALED(status) {
        Outcome::Signal(libc::WTERMSIG(status))
    } else {
        Outcome::Code(libc::WEXITSTATUS(status))
    };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    let used =
        Used { cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime), max_rss_kib: usage.ru_maxrss as u64 };
    (outcome, cause, used)
}

/// Writes the end down, then tells it. The slot is free before the agent hears of it, to be used by what comes next.
pub(super) fn finish(keeper: &Arc<Keeper>, run: &Run, end: Result<Exit, String>, slot: Option<&Arc<Slot>>) {
    let fence = run.request.fence;
    let (record, message) = match end {
        Ok(exit) => (Record::Ended(exit.clone()), FromKeeper::Exited(exit)),
        Err(error) => {
            let error = bounded(error);
            let record = Record::Failed { fence, error: error.clone() };
            (record, FromKeeper::StartFailed { fence, error })
        }
    };
    let written = keeper.ledger().write_or_keep(record);
    keeper.forget_live(run);
    if let Some(slot) = slot {
        keeper.slots.put_back(slot);
    }
    if written {
        keeper.link.send([message]);
    }
    if keeper.is_leaving() {
        keeper.wake();
    }
}

/// Microseconds of the Unix epoch.
pub(super) fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
