//! Which processes are a node's: what `/proc` tells.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable by which a node's agent and keeper are known: the id of the node's folder. The agent gets it from the
/// provider, the keeper from the agent.
pub(super) const NODE_MARK: &str = "TIDEGATE_NODE_MARK";

/// The variable by which the keeper marks its runs where there are no cgroups: the folder's id, `:`, and more.
const RUN_MARK: &str = "TIDEGATE_RUN_MARK";

/// One process, never mistaken for a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProcessId {
    pub(super) pid: i32,
    /// In ticks since the kernel was booted.
    pub(super) started: u64,
}

/// What `/proc/PID/stat` tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub(super) id: ProcessId,
    pub(super) parent: i32,
    session: i32,
    pub(super) ended: bool,
}

#[derive(Debug)]
struct Process {
    stat: Stat,
    /// The node whose agent or keeper it is.
    node: Option<String>,
    /// The node of whose runs it is.
    run_of: Option<String>,
    /// `/proc/PID/cgroup`.
    groups: String,
}

/// All processes of the machine at one moment.
#[derive(Debug)]
pub(super) struct Census(BTreeMap<i32, Process>);

impl Census {
    /// Reads `/proc`. Processes that ended are left out, and so are those of other users, which we may not look into.
    pub(super) fn take() -> io::Result<Census> {
        let mut processes = BTreeMap::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let pid = name.to_str().and_then(|name| name.parse().ok());
            if let Some(process) = pid.and_then(look).filter(|process| !process.stat.ended) {
                processes.insert(process.stat.id.pid, process);
            }
        }
        Ok(Census(processes))
    }

    /// The agent and keeper of a node, by the id of its folder.
    pub(super) fn masters(&self, folder_id: &str) -> Vec<ProcessId> {
        let masters = self.0.values().filter(|process| process.node.as_deref() == Some(folder_id));
        masters.map(|process| process.stat.id).filter(is_not_us).collect()
    }

    /// All processes of a node: agent and keeper, what is in the keeper's cgroups or carries its mark, what
    /// descends from these, and the sessions that they lead.
    pub(super) fn members(&self, folder_id: &str) -> BTreeSet<ProcessId> {
        let is = |mark: &Option<String>| mark.as_deref() == Some(folder_id);
        let rooted = |process: &&Process| {
            is(&process.node) || is(&process.run_of) || in_group_of(&process.groups, folder_id)
        };
        let mut found: BTreeSet<i32> =
            self.0.values().filter(rooted).map(|process| process.stat.id.pid).collect();
        loop {
            let belongs = |stat: &Stat| found.contains(&stat.parent) || found.contains(&stat.session);
            let stats = self.0.values().map(|process| &process.stat);
            let more: Vec<i32> = stats
                .filter(|stat| !found.contains(&stat.id.pid) && belongs(stat))
                .map(|stat| stat.id.pid)
                .collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        let ids = found.iter().filter_map(|pid| self.0.get(pid)).map(|process| process.stat.id);
        ids.filter(is_not_us).collect()
    }

    /// Those that are still alive.
    pub(super) fn living(&self, of: &BTreeSet<ProcessId>) -> BTreeSet<ProcessId> {
        let lives = |id: &&ProcessId| self.0.get(&id.pid).is_some_and(|process| process.stat.id == **id);
        of.iter().filter(lives).copied().collect()
    }
}

impl ProcessId {
    /// Signals it, if it is still there.
    pub(super) fn signal(self, signal: Signal) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        let done = match pidfd_open(pid, PidfdFlags::empty()) {
            // Read after the opening: if it is the same now, the descriptor is its own.
            Ok(process) if stat(self.pid).is_some_and(|stat| stat.id == self) => {
                pidfd_send_signal(process, signal)
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_not_us(id: &ProcessId) -> bool {
    id.pid.cast_unsigned() != std::process::id()
}

/// Reads one process; `None` if there is none of that id.
pub(super) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The kernel's boot id.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The arguments that a process was started with.
pub(super) fn arguments(pid: i32) -> Option<Vec<Vec<u8>>> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    Some(line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

fn look(pid: i32) -> Option<Process> {
    let stat = stat(pid)?;
    // What may not be read belongs to another user, and so to no node of ours.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let variable = |name: &str| {
        let of = |variable: &[u8]| Some(variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?.to_vec());
        String::from_utf8(environment.split(|byte| *byte == 0).find_map(of)?).ok()
    };
    Some(Process {
        stat,
        node: variable(NODE_MARK),
        run_of: variable(RUN_MARK).and_then(|mark| Some(mark.split_once(':')?.0.to_owned())),
        groups: fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default(),
    })
}

/// Whether one of these cgroups is below one of the folder's keeper.
fn in_group_of(groups: &str, folder_id: &str) -> bool {
    groups.split(['/', '\n']).any(|name| is_group_of(name, folder_id))
}

/// Whether a cgroup is named as the folder's keeper names its own: `tidegate-NODE-FOLDERID`.
pub(super) fn is_group_of(name: &str, folder_id: &str) -> bool {
    name.starts_with("tidegate-") && name.strip_suffix(folder_id).is_some_and(|name| name.ends_with('-'))
}

fn parse_stat(stat: &str) -> Option<Stat> {
    // The command's name, in parentheses, may hold anything, parentheses and spaces too.
    let (pid, rest) = stat.split_once(" (")?;
    let (_, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Stat {
        id: ProcessId { pid: pid.parse().ok()?, started: fields.get(19)?.parse().ok()? },
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        ended: matches!(*fields.first()?, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_misleads_nobody() {
        let stat = parse_stat("5 (a) Z 1 ) S 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 250 0").unwrap();
        assert_eq!(
            (stat.id.pid, stat.parent, stat.session, stat.id.started, stat.ended),
            (5, 7, 9, 250, false)
        );
    }

    #[test]
    fn cgroups_are_known_by_the_folders_id() {
        let groups = "4:memory:/x/tidegate-n7-fe01-a2/slot3\n0::/\n";
        assert!(in_group_of(groups, "fe01-a2"));
        assert!(!in_group_of(groups, "e01-a2") && !in_group_of(groups, "fe01-a"));
    }

    #[test]
    fn a_node_is_its_marked_processes_and_what_descends_from_them() {
        let process = |pid, parent, session, node: Option<&str>, run_of: Option<&str>, groups: &str| {
            let id = ProcessId { pid, started: 1 };
            let stat = Stat { id, parent, session, ended: false };
            let (node, run_of) = (node.map(str::to_owned), run_of.map(str::to_owned));
            let groups = groups.to_owned();
            (pid, Process { stat, node, run_of, groups })
        };
        let agent_in_a_session_of_others = process(10, 1, 1, Some("a"), None, "");
        let keeper = process(11, 10, 11, Some("a"), None, "");
        let run_of_it = process(12, 11, 12, None, None, "");
        let orphan_of_its_session = process(13, 1, 12, None, None, "");
        let marked_run_of_a_dead_keeper = process(14, 1, 14, None, Some("a"), "");
        let in_a_cgroup = process(15, 1, 15, None, None, "4:m:/tidegate-n1-a/s\n");
        let of_another_node = process(16, 1, 1, Some("b"), None, "");
        let processes = [
            agent_in_a_session_of_others,
            keeper,
            run_of_it,
            orphan_of_its_session,
            marked_run_of_a_dead_keeper,
            in_a_cgroup,
            of_another_node,
        ];
        let census = Census(processes.into());
        let pids = |ids: Vec<ProcessId>| ids.into_iter().map(|id| id.pid).collect::<Vec<_>>();
        assert_eq!(pids(census.masters("a")), [10, 11]);
        assert_eq!(pids(census.members("a").into_iter().collect()), [10, 11, 12, 13, 14, 15]);
        let later = ProcessId { pid: 10, started: 2 };
        assert!(census.living(&[later].into()).is_empty());
    }
}
