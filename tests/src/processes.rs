//! The processes of a server's nodes, found as the server finds them: by the marks that they carry.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rustix::process::Signal;

use crate::handle::{self, Handle};

/// The variable of a node's agent and keeper: the id of the node's folder.
const NODE_MARK: &str = "TIDEGATE_NODE_MARK";
/// The variable of a run where there are no cgroups: the folder's id, `:`, and more.
const RUN_MARK: &str = "TIDEGATE_RUN_MARK";

/// What a process of a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Talks to the controllers.
    Agent,
    /// Owns the runs.
    Keeper,
    /// Belongs to a run.
    Run,
}

/// A process of a node, never mistaken for a later one with the same id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// What it does.
    pub role: Role,
    /// Its process id.
    pub pid: i32,
    /// Its node's folder.
    pub folder: PathBuf,
    started: u64,
}

impl Process {
    /// Whether it lives.
    pub fn is_alive(&self) -> bool {
        self.handle().is_alive()
    }

    /// Kills it by SIGKILL and waits until it is dead. To be dead already is as good.
    ///
    /// # Errors
    /// It does not die.
    pub fn kill(&self) -> Result<()> {
        self.handle().kill()
    }

    /// Sends a signal, if it lives.
    ///
    /// # Errors
    /// The system refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.handle().signal(signal)
    }

    fn handle(&self) -> Handle {
        Handle { pid: self.pid, started: self.started }
    }
}

/// The folders of a server's nodes, `nodes/POOL/NODE`, with their ids: what its processes and cgroups are marked by.
pub(crate) fn node_folders(data: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for pool in folders_in(&data.join("nodes"))? {
        for node in folders_in(&pool)? {
            // It may be on its way out.
            let Ok(metadata) = fs::metadata(&node) else { continue };
            found.push((format!("{:x}-{:x}", metadata.dev(), metadata.ino()), node));
        }
    }
    found.sort();
    Ok(found)
}

/// The folders in a folder; none if it is not there.
fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.is_dir()).collect())
}

/// All living processes of the nodes with these folders, by role, then by process id.
pub(crate) fn of_nodes(folders: &[(String, PathBuf)]) -> Result<Vec<Process>> {
    let mut found = BTreeSet::new();
    for pid in handle::all()? {
        found.extend(look(pid, folders));
    }
    Ok(found.into_iter().collect())
}

/// The process, if it lives and belongs to one of the nodes.
fn look(pid: i32, folders: &[(String, PathBuf)]) -> Option<Process> {
    let started = Handle::of(pid)?.started;
    if pid.cast_unsigned() == std::process::id() {
        return None;
    }
    // What may not be read belongs to another user, and so to none of our nodes.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let variable = |name: &str| {
        let of = |variable: &[u8]| Some(variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?.to_vec());
        String::from_utf8(environment.split(|byte| *byte == 0).find_map(of)?).ok()
    };
    let (node, run_of) = (variable(NODE_MARK), variable(RUN_MARK));
    let (id, folder) = folders.iter().find(|(id, _)| {
        node.as_deref() == Some(id)
            || run_of.as_deref().and_then(|mark| mark.split_once(':')).is_some_and(|(of, _)| of == id)
            || groups.split(['/', '\n']).any(|group| crate::cgroups::is_of(group, id))
    })?;
    let role = match node.as_deref() == Some(id) {
        true if arguments(pid).iter().any(|argument| argument == "keeper") => Role::Keeper,
        true => Role::Agent,
        false => Role::Run,
    };
    Some(Process { role, pid, folder: folder.clone(), started })
}

fn arguments(pid: i32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}
