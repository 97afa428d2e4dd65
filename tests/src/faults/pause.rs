//! Processes that stand still, as a machine does that its host does not run for a while: nothing is lost, but time.

use std::{collections::BTreeSet, thread, time::Duration};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::{
    handle::{self, Handle},
    wait,
};

/// What stands still with a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nothing: the process alone.
    Alone,
    /// All that it has started, and what that has started.
    WithChildren,
}

/// Processes that were stopped by SIGSTOP. Dropped, they go on.
#[derive(Debug)]
#[must_use = "the processes go on when it is dropped"]
pub struct Paused {
    processes: Vec<Handle>,
}

impl Paused {
    /// Stops a process, and waits until it and what is to stop with it stand still.
    ///
    /// # Errors
    /// There is no such process, or it does not stop.
    pub fn pause(pid: i32, reach: Reach) -> Result<Paused> {
        let first = Handle::of(pid).with_context(|| format!("there is no process {pid} to pause"))?;
        let mut paused = Paused { processes: Vec::new() };
        paused.stop(first)?;
        if reach == Reach::WithChildren {
            paused.stop_children()?;
        }
        Ok(paused)
    }

    /// Stops a process for a while: the caller waits.
    ///
    /// # Errors
    /// As [`Paused::pause`] and [`Paused::resume`].
    pub fn pause_for(pid: i32, reach: Reach, long: Duration) -> Result<()> {
        let paused = Paused::pause(pid, reach)?;
        thread::sleep(long);
        paused.resume()
    }

    /// The process ids, in the order in which they were stopped.
    pub fn pids(&self) -> Vec<i32> {
        self.processes.iter().map(|process| process.pid).collect()
    }

    /// Lets them go on. Those that were killed meanwhile stay dead.
    ///
    /// # Errors
    /// The system refuses.
    pub fn resume(mut self) -> Result<()> {
        self.go_on()
    }

    fn stop(&mut self, process: Handle) -> Result<()> {
        process.signal(Signal::STOP)?;
        self.processes.push(process);
        wait::until(&format!("process {} to stand still", process.pid), || {
            Ok(process.is_still().then_some(()))
        })
    }

    /// A process that stands still starts no others, so that this comes to an end with all of them.
    fn stop_children(&mut self) -> Result<()> {
        loop {
            let new = self.children_at_large()?;
            if new.is_empty() {
                return Ok(());
            }
            new.into_iter().try_for_each(|child| self.stop(child))?;
        }
    }

    /// The children of those that stand still which do not themselves.
    fn children_at_large(&self) -> Result<Vec<Handle>> {
        let still: BTreeSet<i32> = self.pids().into_iter().collect();
        let all = handle::all()?.into_iter().filter(|pid| !still.contains(pid));
        let of_ours = all.filter(|pid| handle::stat(*pid).is_some_and(|stat| still.contains(&stat.parent)));
        Ok(of_ours.filter_map(Handle::of).collect())
    }

    fn go_on(&mut self) -> Result<()> {
        // Children first: a master that finds one of them standing still might think that it hangs.
        while let Some(process) = self.processes.pop() {
            process.signal(Signal::CONT)?;
        }
        Ok(())
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        if let Err(error) = self.go_on() {
            eprintln!("processes {:?} still stand still: {error:#}", self.pids());
            assert!(thread::panicking(), "processes {:?} still stand still: {error:#}", self.pids());
        }
    }
}
