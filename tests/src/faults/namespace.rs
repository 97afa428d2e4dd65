//! A network namespace of this test process: entered by threads, never by the whole process.

use std::{
    fs::{self, File},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result};
use rustix::{
    process::Signal,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use super::needs::succeed;
use crate::{
    handle::{self, Handle},
    wait,
};

/// Where iproute2 keeps the names.
const FOLDER: &str = "/run/netns";
/// Names begin with it, followed by the owner's process id, when that was started, and more.
const PREFIX: &str = "tidegate-";

/// A namespace with a name, so that people can look into it (`ip netns exec NAME ip address`). Dropped, its processes are
/// killed, and it is removed.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// A name that no other living process gives.
    pub(super) fn new_name(part: &str) -> Result<String> {
        let own = std::process::id().cast_signed();
        let stat = handle::stat(own).context("this process is in /proc")?;
        Ok(format!("{PREFIX}{own}-{}-{part}", stat.started))
    }

    /// Makes namespaces with these names.
    pub(super) fn add(names: &[String]) -> Result<Vec<Namespace>> {
        let script: String = names.iter().map(|name| format!("netns add {name}\n")).collect();
        succeed(Command::new("ip").args(["-batch", "-"]), &script)?;
        let of =
            |name: &String| Ok(Namespace { name: name.clone(), file: open(&Path::new(FOLDER).join(name))? });
        names.iter().map(of).collect()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Works on a thread in this namespace. What the thread starts and opens stays in it: processes, threads, sockets.
    ///
    /// Unlike `ip netns exec`, this leaves `/sys` alone, in which workers look for cgroups.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let entered = || {
            move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
                .with_context(|| format!("cannot enter the network namespace {}", self.name))?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(entered).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs commands of `ip` in it.
    pub(super) fn ip(&self, script: &str) -> Result<()> {
        succeed(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), script).map(drop)
    }

    /// Runs a program of the system in it, which must succeed.
    pub(super) fn succeed(&self, command: &mut Command, input: &str) -> Result<String> {
        self.inside(|| succeed(command, input))?
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.name, &self.file) {
            eprintln!("a story leaves the network namespace {} behind: {error:#}", self.name);
            assert!(thread::panicking(), "a story leaves the network namespace {} behind", self.name);
        }
    }
}

/// Kills all processes in a namespace, and removes it.
fn remove(name: &str, file: &File) -> Result<()> {
    let inode = file.metadata()?.ino();
    wait::until(&format!("the death of all processes in {name}"), || {
        let left = processes_in(inode)?;
        left.iter().try_for_each(|process| process.signal(Signal::KILL))?;
        Ok(left.is_empty().then_some(()))
    })?;
    succeed(Command::new("ip").args(["netns", "delete", name]), "").map(drop)
}

/// The processes in the namespace with this inode, other than this one.
fn processes_in(inode: u64) -> Result<Vec<Handle>> {
    let mut found = Vec::new();
    for pid in handle::all()? {
        // One that ends meanwhile has none.
        let of = fs::metadata(format!("/proc/{pid}/ns/net"));
        if of.is_ok_and(|of| of.ino() == inode) && pid.cast_unsigned() != std::process::id() {
            found.extend(Handle::of(pid));
        }
    }
    Ok(found)
}

/// Removes the namespaces of test processes that are dead, with the processes in them.
pub(super) fn sweep() -> Result<()> {
    for path in left_behind()? {
        let name = path.file_name().and_then(|name| name.to_str()).context("a name of ours is in ASCII")?;
        let removed = open(&path).and_then(|file| remove(name, &file));
        // Another process that sweeps may have been faster: what counts is that it is gone.
        if path.exists() {
            removed.with_context(|| format!("{} was left behind", path.display()))?;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot open {}", path.display()))
}

fn left_behind() -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(FOLDER) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if is_of_the_dead(name) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether a name is one of ours, and its owner lives no more.
pub(super) fn is_of_the_dead(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let mut parts = rest.split('-').map(str::parse::<u64>);
    let (Some(Ok(pid)), Some(Ok(started))) = (parts.next(), parts.next()) else { return false };
    let Ok(pid) = i32::try_from(pid) else { return false };
    !handle::stat(pid).is_some_and(|stat| stat.started == started && !stat.ended)
}
