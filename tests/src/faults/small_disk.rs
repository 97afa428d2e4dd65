//! A disk that is soon full.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result};

use super::{
    namespace::{Namespace, is_of_the_dead},
    needs::{has, skipped, succeed},
};

/// What takes all room.
const FILLER: &str = "filler";

/// A small file system in memory, gone when dropped: nobody may use it then.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Makes one of so many MiB at a folder, which is made; `None`, and says so by name, where mounting is not allowed.
    /// Those that dead test processes have left are unmounted first.
    ///
    /// # Errors
    /// The folder is there already, or the system refuses.
    pub fn mount(story: &str, at: &Path, mib: u32) -> Result<Option<SmallDisk>> {
        if !has(story, &["mount", "umount"], "mount and umount")? {
            return Ok(None);
        }
        sweep()?;
        fs::create_dir(at).with_context(|| format!("cannot make {}", at.display()))?;
        // The source of a file system in memory is but a name: it tells whose it is.
        let options = format!("size={mib}m,mode=700");
        let source = Namespace::new_name("disk")?;
        let mounted =
            succeed(Command::new("mount").args(["-t", "tmpfs", "-o", &options, &source]).arg(at), "");
        if let Err(error) = mounted {
            // Root in a container may be forbidden to.
            skipped(story, &format!("{error:#}"))?;
            return Ok(None);
        }
        Ok(Some(SmallDisk(at.to_owned())))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it larger or smaller, as an administrator would.
    ///
    /// # Errors
    /// More is in use.
    pub fn resize(&self, mib: u32) -> Result<()> {
        let options = format!("remount,size={mib}m");
        succeed(Command::new("mount").args(["-o", &options]).arg(&self.0), "").map(drop)
    }

    /// Takes all that is left, into one file.
    ///
    /// # Errors
    /// It does not fill up, or not with that.
    pub fn fill(&self) -> Result<()> {
        use std::io::Write;
        let path = self.0.join(FILLER);
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&path)?;
        for size in [64 << 10, 4 << 10, 1] {
            let block = vec![0; size];
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                    Err(error) => {
                        return Err(error).with_context(|| format!("cannot fill {}", path.display()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives back what [`SmallDisk::fill`] took.
    ///
    /// # Errors
    /// It was not filled.
    pub fn empty(&self) -> Result<()> {
        let path = self.0.join(FILLER);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(error) = unmount(&self.0) {
            eprintln!("{} is still mounted: {error:#}", self.0.display());
            assert!(thread::panicking(), "{} is still mounted: {error:#}", self.0.display());
        }
    }
}

fn unmount(at: &Path) -> Result<()> {
    succeed(Command::new("umount").arg(at), "").map(drop)
}

/// Unmounts the disks of test processes that are dead.
fn sweep() -> Result<()> {
    for at in of_the_dead()? {
        // Who still uses it was started by a dead test: it sees the disk until it ends.
        let unmounted = succeed(Command::new("umount").args(["--lazy", &at]), "");
        // Another process that sweeps may have been faster.
        if of_the_dead()?.contains(&at) {
            unmounted?;
        }
    }
    Ok(())
}

/// Where they are mounted.
fn of_the_dead() -> Result<Vec<String>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read what is mounted")?;
    let of = |line: &str| {
        let (source, rest) = line.split_once(' ')?;
        is_of_the_dead(source).then(|| rest.split(' ').next().unwrap_or_default().to_owned())
    };
    Ok(mounts.lines().filter_map(of).collect())
}
