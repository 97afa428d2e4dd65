//! What is wrong with one controller's surroundings: its disk, its clock; and what is recorded of it.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Replicas;
use crate::faults::{Clock, Faked, Paused, Reach, SmallDisk};

impl Replicas {
    /// Stops one by SIGSTOP; its nodes go on.
    ///
    /// # Errors
    /// It does not run, or does not stop.
    pub fn pause(&self, at: usize) -> Result<Paused> {
        Paused::pause(self.pid(at)?, Reach::Alone)
    }

    /// Puts the data folder of one, which was not started yet, on a disk of its own of so many MiB; says whether that can
    /// be done here.
    ///
    /// # Errors
    /// As [`SmallDisk::mount`].
    pub fn put_on_small_disk(&mut self, at: usize, story: &str, mib: u32) -> Result<bool> {
        let disk = SmallDisk::mount(story, &self.members[at].data, mib)?;
        let can = disk.is_some();
        self.disks.extend(disk.map(|disk| (at, disk)));
        Ok(can)
    }

    /// The disk that the data folder of one was put on.
    ///
    /// # Errors
    /// It was not.
    pub fn disk(&self, at: usize) -> Result<&SmallDisk> {
        let found = self.disks.iter().find(|(of, _)| *of == at).map(|(_, disk)| disk);
        found.with_context(|| format!("controller {at} has no disk of its own"))
    }

    /// From its next start one sees a clock of its own; says whether that can be done here.
    ///
    /// # Errors
    /// As [`Clock::new`].
    pub fn give_clock(&mut self, at: usize, story: &str, faked: Faked) -> Result<bool> {
        self.members[at].clock = Clock::new(story, self.home.path(), faked)?;
        Ok(self.members[at].clock.is_some())
    }

    /// The clock that one sees.
    ///
    /// # Errors
    /// It was given none.
    pub fn clock(&self, at: usize) -> Result<&Clock> {
        self.members[at].clock.as_ref().with_context(|| format!("controller {at} has no clock of its own"))
    }

    /// From their next start all record what their cores are told.
    pub fn record_all(&mut self) {
        for (at, member) in self.members.iter_mut().enumerate() {
            member.records = Some(self.home.path().join(format!("record-{at}")));
        }
    }

    /// The records of one, in the order of its starts.
    pub fn records(&self, at: usize) -> Vec<PathBuf> {
        let member = &self.members[at];
        (1..=member.starts).filter_map(|start| member.record(start)).collect()
    }
}
