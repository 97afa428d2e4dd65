//! One controller: its folder, its configuration, and its process while there is one.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::faults::Clock;

#[derive(Debug, Default)]
pub(super) struct Replica {
    pub(super) id: u64,
    pub(super) data: PathBuf,
    pub(super) config: PathBuf,
    pub(super) log: PathBuf,
    /// What makes it a member with its first start.
    pub(super) bundle: PathBuf,
    pub(super) clock: Option<Clock>,
    /// Records are written here, if at all; each start has its own.
    pub(super) records: Option<PathBuf>,
    pub(super) starts: usize,
    pub(super) removed: bool,
    pub(super) child: Option<Child>,
}

impl Replica {
    /// Completes the command that starts it.
    pub(super) fn prepare(&mut self, command: &mut Command) -> Result<()> {
        if self.child.is_some() {
            bail!("controller c{} runs already", self.id);
        }
        command.arg("--config").arg(&self.config);
        if self.bundle.exists() {
            command.arg("--join").arg(&self.bundle);
        }
        self.starts += 1;
        if let Some(record) = self.record(self.starts) {
            command.arg("--record").arg(record);
        }
        if let Some(clock) = &self.clock {
            clock.apply(command);
        }
        let log = OpenOptions::new().append(true).create(true).open(&self.log);
        let log: File = log.with_context(|| format!("cannot open {}", self.log.display()))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(())
    }

    /// The record of a start, counted from 1.
    pub(super) fn record(&self, start: usize) -> Option<PathBuf> {
        let mut name = self.records.clone()?.into_os_string();
        name.push(OsString::from(format!(".{start}")));
        Some(name.into())
    }

    pub(super) fn pid(&self) -> Result<i32> {
        let child = self.child.as_ref().with_context(|| format!("controller c{} does not run", self.id))?;
        Ok(child.id().cast_signed())
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.pid()?).context("a process has a number")?;
        Ok(kill_process(pid, signal)?)
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().with_context(|| format!("controller c{} does not run", self.id))?;
        child.kill()?;
        let status = child.wait()?;
        if status.signal() != Some(Signal::KILL.as_raw()) {
            bail!("controller c{} ended with {status} before it was killed", self.id);
        }
        Ok(())
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let child = self.child.as_mut().with_context(|| format!("controller c{} does not run", self.id))?;
        Ok(child.try_wait()?)
    }
}
