//! A node's agent: the worker's process, started by us or found alive.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, waitid},
};

use super::{
    census::{self, Census, NODE_MARK, ProcessId},
    folder::{NodeFolder, PidRecord},
};

/// In an argument, or the program's name, this stands for the node's number.
const NODE: &str = "{node}";

/// How workers are started.
#[derive(Clone, Debug)]
pub(super) struct WorkerCommand {
    pub(super) program: PathBuf,
    /// What follows the program; the configuration's path comes after them.
    pub(super) arguments: Vec<OsString>,
    /// The configuration's name in the node's folder.
    pub(super) config: OsString,
    /// Variables that are passed on; no others are.
    pub(super) environment: Vec<String>,
}

/// A worker's process.
#[derive(Debug)]
pub(super) struct Agent {
    id: ProcessId,
    hold: Hold,
}

#[derive(Debug)]
enum Hold {
    /// Started by us.
    Child(Child),
    /// Started by a controller before us.
    Found(OwnedFd),
}

impl WorkerCommand {
    fn all_arguments(&self, folder: &NodeFolder) -> Vec<OsString> {
        let config = folder.path().join(&self.config).into_os_string();
        self.arguments.iter().map(|argument| of_node(argument, folder)).chain([config]).collect()
    }

    /// Starts the worker of a node and writes down which process it is.
    pub(super) fn start(&self, folder: &NodeFolder) -> io::Result<Agent> {
        let log = folder.open_log()?;
        let mut command = Command::new(of_node(self.program.as_os_str(), folder));
        command
            .args(self.all_arguments(folder))
            .current_dir(folder.path())
            .env_clear()
            .envs(self.environment.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env(NODE_MARK, folder.id()?)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // What the terminal sends to us is not for the workers.
            .process_group(0);
        let mut child = command.spawn()?;
        match record(&child, folder) {
            Ok(id) => Ok(Agent { id, hold: Hold::Child(child) }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// The agent of a node that lives already: the one written down, or else, since a controller may have died before
    /// it wrote, the process with the node's mark and the arguments of an agent.
    pub(super) fn find(&self, folder: &NodeFolder) -> io::Result<Option<Agent>> {
        if let Some(record) = folder.pid_record()
            && record.boot == census::boot_id()?
        {
            let (pid, started) = (record.pid, record.started);
            if let Some(agent) = Agent::hold(ProcessId { pid, started })? {
                return Ok(Some(agent));
            }
        }
        let wanted = self.all_arguments(folder);
        let is_agent = |id: &ProcessId| ends_alike(&census::arguments(id.pid).unwrap_or_default(), &wanted);
        let Some(id) = Census::take()?.masters(&folder.id()?).into_iter().find(is_agent) else {
            return Ok(None);
        };
        let agent = Agent::hold(id)?;
        if agent.is_some() {
            folder.set_pid_record(&record_of(id)?)?;
        }
        Ok(agent)
    }
}

/// An argument for this node.
fn of_node(argument: &OsStr, folder: &NodeFolder) -> OsString {
    let number = folder.path().file_name().and_then(OsStr::to_str);
    match (argument.to_str(), number) {
        (Some(text), Some(number)) if text.contains(NODE) => text.replace(NODE, number).into(),
        _ => argument.to_owned(),
    }
}

/// Whether a process has the arguments that we gave, as far as both go: an interpreter and its script come before
/// ours, and a launcher that has become the worker has dropped its own. The last one tells the node.
fn ends_alike(arguments: &[Vec<u8>], wanted: &[OsString]) -> bool {
    let given = wanted.iter().map(|argument| argument.as_bytes());
    let mut pairs = arguments.iter().map(Vec::as_slice).rev().zip(given.rev()).peekable();
    pairs.peek().is_some() && pairs.all(|(has, given)| has == given)
}

fn record_of(id: ProcessId) -> io::Result<PidRecord> {
    Ok(PidRecord { pid: id.pid, started: id.started, boot: census::boot_id()? })
}

fn record(child: &Child, folder: &NodeFolder) -> io::Result<ProcessId> {
    // Not reaped yet, so that its id is its own and `/proc` knows it even when it has ended.
    let stat = i32::try_from(child.id()).ok().and_then(census::stat);
    let id = stat
        .map(|stat| stat.id)
        .ok_or_else(|| io::Error::other("/proc does not know the worker just started"))?;
    folder.set_pid_record(&record_of(id)?)?;
    Ok(id)
}

impl Agent {
    /// Takes hold of a process that is not our child; `None` if it has ended.
    fn hold(id: ProcessId) -> io::Result<Option<Agent>> {
        let Some(pid) = Pid::from_raw(id.pid) else {
            return Ok(None);
        };
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Read after the opening: if it is the same now, the descriptor is its own.
        let same = census::stat(id.pid).is_some_and(|stat| stat.id == id && !stat.ended);
        Ok(same.then_some(Agent { id, hold: Hold::Found(process) }))
    }

    pub(super) fn id(&self) -> ProcessId {
        self.id
    }

    /// How it ended, for people, if it has; reaps it.
    pub(super) fn ended(&mut self) -> io::Result<Option<String>> {
        match &mut self.hold {
            Hold::Child(child) => Ok(child.try_wait()?.map(|status| status.to_string())),
            Hold::Found(process) => {
                let mut fds = [PollFd::new(process, PollFlags::IN)];
                let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
                if rustix::io::retry_on_intr(|| poll(&mut fds, Some(&at_once)))? == 0 {
                    return Ok(None);
                }
                bury(self.id)?;
                Ok(Some("its exit status is known to a former controller alone".to_owned()))
            }
        }
    }

    /// Ends it at once.
    pub(super) fn kill(&self) -> io::Result<()> {
        self.id.signal(Signal::KILL)
    }
}

/// Reaps a process that has ended if it is our child, also one that fell to us when its parent died. Not to be ours is
/// as good.
pub(super) fn bury(id: ProcessId) -> io::Result<()> {
    let ours =
        |stat: census::Stat| stat.id == id && stat.ended && stat.parent.cast_unsigned() == std::process::id();
    let Some(pid) = Pid::from_raw(id.pid).filter(|_| census::stat(id.pid).is_some_and(ours)) else {
        return Ok(());
    };
    match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
        Ok(_) | Err(rustix::io::Errno::CHILD) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
