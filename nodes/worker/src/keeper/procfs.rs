//! What `/proc` tells of processes: parent, session, start time, children, environment.

use std::{fs, io, path::Path};

/// One process, from `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) session: i32,
    pub(super) zombie: bool,
    /// Boot clock at its start, in microseconds, rounded down to the kernel's clock tick.
    pub(super) started_boot_us: u64,
}

/// Reads one process; `None` if there is none of that id.
pub(super) fn process(pid: i32) -> Option<Process> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// All processes that can be seen.
pub(super) fn processes() -> io::Result<Vec<Process>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        // What ended while we were reading is none.
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) {
            all.extend(process(pid));
        }
    }
    Ok(all)
}

/// Processes whose parent died and that fell to us, their nearest subreaper: the children of our first thread, which
/// starts none itself.
pub(super) fn adopted() -> io::Result<Vec<i32>> {
    let own = std::process::id();
    match fs::read_to_string(format!("/proc/self/task/{own}/children")) {
        Ok(list) => Ok(list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()),
        // A kernel without CONFIG_PROC_CHILDREN: all our children but those that lead the session of a run.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let ours = |process: &Process| process.parent == own as i32 && process.session != process.pid;
            Ok(processes()?.into_iter().filter(ours).map(|process| process.pid).collect())
        }
        Err(error) => Err(error),
    }
}

/// The value of a variable in the environment that a process was started with.
pub(super) fn environment_variable(pid: i32, name: &str) -> Option<String> {
    let environment = fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).ok()?;
    let value = environment
        .split(|&byte| byte == 0)
        .find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(value.to_vec()).ok()
}

/// Within what process ids mean what they do: this boot of the kernel, and our process namespace.
pub(super) fn boot_id() -> io::Result<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(format!("{} {}", boot.trim(), fs::read_link("/proc/self/ns/pid")?.display()))
}

/// Microseconds of the boot clock, by which the kernel dates the start of processes.
pub(super) fn boot_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// Microseconds of one tick of the times in `/proc/PID/stat`.
pub(super) fn tick_us() -> u64 {
    1_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

fn parse_stat(stat: &str) -> Option<Process> {
    // The command's name, in parentheses, may hold anything, parentheses and spaces too.
    let (pid, rest) = stat.split_once(" (")?;
    let (_, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some(Process {
        pid: pid.parse().ok()?,
        parent: i32::try_from(number(1)?).ok()?,
        session: fields.get(3)?.parse().ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        started_boot_us: number(19)? * tick_us(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_is_read() {
        let own = process(std::process::id() as i32).unwrap();
        assert_eq!(own.parent, rustix::process::getppid().unwrap().as_raw_nonzero().get());
        assert!(!own.zombie);
        assert!(own.started_boot_us <= boot_us());
        assert!(processes().unwrap().contains(&own));
    }

    #[test]
    fn a_name_with_parentheses_misleads_nobody() {
        let fields = "S 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 250 0";
        let process = parse_stat(&format!("5 (a) Z 1 ) {fields}")).unwrap();
        assert_eq!((process.pid, process.parent, process.session, process.zombie), (5, 7, 9, false));
        assert_eq!(process.started_boot_us, 250 * tick_us());
    }
}
