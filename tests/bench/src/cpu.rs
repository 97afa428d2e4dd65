//! CPU time of processes, and their memory.

use std::fs;

use anyhow::{Context, Result};

/// CPU time of this process so far, in microseconds.
pub(crate) fn own_micros() -> u64 {
    used(libc::RUSAGE_SELF)
}

/// CPU time of the children that this process has waited for, in microseconds.
pub(crate) fn children_micros() -> u64 {
    used(libc::RUSAGE_CHILDREN)
}

fn used(who: libc::c_int) -> u64 {
    // SAFETY: all zeros is a valid value of this plain structure, and the pointer to it lives through the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &mut usage);
        usage
    };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    micros(usage.ru_utime) + micros(usage.ru_stime)
}

/// CPU time of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OfProcess {
    /// Its own, in microseconds.
    pub(crate) own: u64,
    /// That of its children that it has waited for, in microseconds.
    pub(crate) children: u64,
}

impl OfProcess {
    /// What a process has used so far.
    pub(crate) fn read(pid: i32) -> Result<OfProcess> {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        parse(&text).with_context(|| format!("{path} is not as expected: {text}"))
    }
}

/// `PID (NAME) STATE ...`: the 14th to 17th field, in ticks of a hundredth of a second.
fn parse(stat: &str) -> Option<OfProcess> {
    // The name may hold anything, parentheses and spaces too.
    let (_, rest) = stat.rsplit_once(") ")?;
    let ticks: Vec<u64> = rest.split(' ').skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    let [user, system, children_user, children_system] = ticks[..] else { return None };
    Some(OfProcess { own: (user + system) * 10_000, children: (children_user + children_system) * 10_000 })
}

/// The memory of a process that is in RAM, in bytes.
pub(crate) fn resident_bytes(pid: i32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("no VmRSS in {path}"))? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_is() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 200 0 0 3 4 5 6 20 0 1 0 99";
        assert_eq!(parse(stat), Some(OfProcess { own: 70_000, children: 110_000 }));
        assert_eq!(parse("7 (a) S 1 2"), None);
        OfProcess::read(std::process::id().cast_signed()).unwrap();
        assert!(resident_bytes(std::process::id().cast_signed()).unwrap() > 100_000);
    }
}
