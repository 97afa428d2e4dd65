//! What a keeper finds that takes the place of a dead one: attempts that were never seen to end. What still lives of
//! them is killed as a whole, and they are reported lost: nobody but their parent could have learnt their exit status.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    cgroup,
    journal::Record,
    ledger::{Inheritance, Ledger, Orphaned},
    orphans::MARK,
    procfs::{self, Process},
    protocol::{Cause, Exit, Outcome},
    slot::unix_us,
};

/// How long they may take to die.
const DEATH: Duration = Duration::from_secs(10);

/// Kills what the dead keeper's runs left, and removes its cgroups.
pub(super) fn clear(inheritance: &Inheritance, folder_id: &str) -> io::Result<()> {
    for root in &inheritance.cgroup_roots {
        cgroup::remove_tree(root)?;
    }
    if inheritance.unfinished.is_empty() || inheritance.boot_id != Some(procfs::boot_id()?) {
        return Ok(());
    }
    let deadline = Instant::now() + DEATH;
    loop {
        let survivors = survivors(&inheritance.unfinished, folder_id)?;
        if survivors.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!(
                "processes {survivors:?} of a dead keeper's runs do not die"
            )));
        }
        for pid in survivors.into_iter().filter_map(Pid::from_raw) {
            match kill_process(pid, Signal::KILL) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Writes the ends of the unfinished attempts down.
pub(super) fn report_lost(ledger: &mut Ledger, unfinished: &[Orphaned]) -> io::Result<()> {
    for attempt in unfinished {
        let lost = Exit {
            fence: attempt.fence,
            outcome: Outcome::Lost {
                reason: "the node's keeper died while the attempt ran; what was left of it has been killed"
                    .to_owned(),
            },
            cause: Cause::Natural,
            oom_killed: false,
            started_unix_us: attempt.spawned.map_or(0, |(_, _, started_unix_us)| started_unix_us),
            ended_unix_us: unix_us(),
            cpu_us: 0,
            max_rss_kib: 0,
            log_truncated: false,
        };
        ledger.write(&Record::Ended(lost))?;
    }
    Ok(())
}

/// What is alive of these attempts: the sessions that their commands lead, all that descends from them, and all that
/// carries the mark of this folder.
fn survivors(unfinished: &[Orphaned], folder_id: &str) -> io::Result<Vec<i32>> {
    let own = std::process::id() as i32;
    let all: Vec<Process> =
        procfs::processes()?.into_iter().filter(|one| !one.zombie && one.pid != own).collect();
    let marked = |pid: i32| {
        let mark = procfs::environment_variable(pid, MARK);
        mark.is_some_and(|mark| mark.split_once(':').is_some_and(|(id, _)| id == folder_id))
    };
    let in_session = |process: &Process| unfinished.iter().any(|attempt| session_of(attempt, process, &all));
    let first = all.iter().filter(|one| in_session(one) || marked(one.pid));
    let mut found: Vec<i32> = first.map(|one| one.pid).collect();
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = all.iter().filter(|one| one.parent == parent && !found.contains(&one.pid));
        let children: Vec<i32> = children.map(|one| one.pid).collect();
        found.extend(children);
        next += 1;
    }
    Ok(found)
}

/// Whether a process is of the session that an attempt's command led. An id alone proves nothing, since it may be
/// another's by now: the leader must have started when we spawned it. Without a leader its members keep the number from being
/// given away, so that they are ours if they began after it.
fn session_of(attempt: &Orphaned, process: &Process, all: &[Process]) -> bool {
    let Some((pid, (before, after), _)) = attempt.spawned else {
        return false;
    };
    if process.session != pid as i32 {
        return false;
    }
    let tick = procfs::tick_us();
    match all.iter().find(|one| one.pid == pid as i32) {
        Some(leader) => leader.started_boot_us + tick > before && leader.started_boot_us <= after,
        None => process.started_boot_us + tick > before,
    }
}
