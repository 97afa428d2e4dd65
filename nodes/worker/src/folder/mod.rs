//! The node's folder: what lies where, and who may read it (its owner alone).
//!
//! ```text
//! lock          held by the agent
//! incarnation   drawn when the folder was made
//! keeper.*      the keeper's
//! cache/        contents fetched from the controllers
//! envs/         environments that were built
//! runs/FENCE/   one attempt:
//!   wd/           its working folder, a copy of its code, with outputs/ and logs/
//!   inputs/NAME   what it reads        named/NAME   the outputs that its job names
//!   tmp/          its TMPDIR           stdout, stderr
//!   assignment    what a later agent must know to finish it
//!   report        how it ended, until a controller has acknowledged that
//! spare/N/      an attempt's folder that is free for the next
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use tidegate_scheduler::ids::Fence;

mod read;
mod remove;
mod room;
mod spare;

pub(crate) use read::{Reported, read_report};
pub(crate) use room::{Room, is_full};
pub(crate) use spare::is_empty;

/// A node's folder.
#[derive(Debug, Clone)]
pub(crate) struct NodeFolder {
    root: PathBuf,
    spares: Arc<spare::Spares>,
}

impl NodeFolder {
    /// Opens the folder, made with mode 0700 if absent.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(root)?;
        let root = root.canonicalize()?;
        let folder = Self { root, spares: Arc::default() };
        builder.create(folder.runs())?;
        Ok(folder)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    fn spare(&self) -> PathBuf {
        self.root.join("spare")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    pub(crate) fn environments(&self) -> PathBuf {
        self.root.join("envs")
    }

    /// The folder of one attempt.
    pub(crate) fn attempt(&self, fence: Fence) -> AttemptFolder {
        AttemptFolder { root: self.runs().join(fence.0.to_string()), spares: self.spares.clone() }
    }

    /// Makes an attempt's folder with all that a command without code finds, out of one that is free if there is one.
    pub(crate) fn make(&self, folder: &AttemptFolder) -> io::Result<()> {
        if self.spares.take(&self.spare(), folder) {
            return Ok(());
        }
        folder.make()?;
        folder.make_kept()
    }

    /// Deletes an attempt's folder, or keeps it for another if its run has left it as it found it.
    pub(crate) fn put_away(&self, folder: &AttemptFolder) -> io::Result<()> {
        remove::report(folder)?;
        let kept = match self.spares.put(&self.spare(), folder) {
            // The first one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(&self.spare()).and_then(|()| self.spares.put(&self.spare(), folder))
            }
            kept => kept,
        };
        match kept {
            Ok(true) => Ok(()),
            Ok(false) => folder.remove(),
            Err(error) => {
                tracing::debug!(%error, "a folder cannot be kept for another attempt");
                folder.remove()
            }
        }
    }

    /// The number that names this folder among all that the node may have had, drawn when it was made.
    pub(crate) fn incarnation(&self) -> io::Result<u64> {
        let path = self.root.join("incarnation");
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|error| {
                let what = format!("{} holds no number ({error}): delete the node's folder", path.display());
                io::Error::new(io::ErrorKind::InvalidData, what)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let drawn: u64 = rand::random();
                write_whole(&path, drawn.to_string().as_bytes())?;
                Ok(drawn)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes what is ours in the folder, and the folder if nothing else is in it. With `keep_runs`, what is needed to
    /// deliver results later stays.
    pub(crate) fn clear(&self, keep_runs: bool) -> io::Result<()> {
        remove::clear(self, keep_runs)
    }
}

/// The folder of one attempt.
#[derive(Debug, Clone)]
pub(crate) struct AttemptFolder {
    root: PathBuf,
    spares: Arc<spare::Spares>,
}

impl AttemptFolder {
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("wd")
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn input(&self, name: &str) -> PathBuf {
        self.root.join("inputs").join(name)
    }

    pub(crate) fn output(&self, name: &str) -> PathBuf {
        self.root.join("named").join(name)
    }

    pub(crate) fn stdout(&self) -> PathBuf {
        self.root.join("stdout")
    }

    pub(crate) fn stderr(&self) -> PathBuf {
        self.root.join("stderr")
    }

    pub(crate) fn assignment(&self) -> PathBuf {
        self.root.join("assignment")
    }

    /// Where `assignment` is written before it is whole.
    fn draft(&self) -> PathBuf {
        self.root.join("draft")
    }

    pub(crate) fn report(&self) -> PathBuf {
        self.root.join("report")
    }

    /// Whether what was written down of it is still there: it goes first when the folder is deleted.
    pub(crate) fn is_there(&self) -> bool {
        self.report().exists() || self.assignment().exists()
    }

    /// Makes the folder anew, with what every command finds: a working folder with `outputs` and `logs`, and a
    /// `TMPDIR`. What an earlier, broken preparation left is deleted.
    pub(crate) fn make(&self) -> io::Result<()> {
        match make(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove()?;
                make(&self.root)?;
            }
            made => made?,
        }
        make(&self.temporary())?;
        make(&self.work())
    }

    /// Makes `outputs` and `logs`, unless the code brought them along.
    pub(crate) fn make_kept(&self) -> io::Result<()> {
        let work = self.work();
        for kept in KEPT {
            match make(&work.join(kept)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
        Ok(())
    }

    /// Opens a log for reading, also while its command writes it.
    pub(crate) fn open_log(&self, log: &Path) -> io::Result<File> {
        self.spares.open_log(self, log)
    }

    /// Deletes the folder, the words by which a later agent would take it up first.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.spares.forget(self);
        remove::attempt(self)
    }
}

/// The folders of the working folder that are kept when the command has ended.
pub(crate) const KEPT: [&str; 2] = ["outputs", "logs"];

/// Makes one folder.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Writes a new file, readable by its owner alone, that is there whole or not at all whenever this process dies.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let written = write_private(&draft, content).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // Nothing else is lost if it stays.
        let _gone = fs::remove_file(&draft);
    }
    written
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(content)
}

/// Writes over what a file may hold, without the detour of making it empty first, which some file systems answer by
/// writing it out at once.
fn write_over(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::assignment;
