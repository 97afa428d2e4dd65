//! Commands that tell when they were started, and by which decision: each writes a file of its own, named by its fencing
//! number. When that was written is the file's own time, so that a command need not start another to ask for the time; the
//! file system's clock ticks every 4 ms or faster.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};

use crate::wait;

/// How often it is looked for the stamp that is waited for.
const LOOK: Duration = Duration::from_millis(10);
/// A fencing number is an entry's number, and its position in it in so many bits.
const POSITION_BITS: u32 = 16;

/// A command was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The run's name.
    pub run: String,
    /// Which attempt it was.
    pub attempt: u32,
    /// The entry of the log that decided it.
    pub index: u64,
    /// When it was started.
    pub at: SystemTime,
}

/// What commands have written so far.
#[derive(Debug)]
pub struct Stamps {
    folder: PathBuf,
    taken: Vec<Stamp>,
}

impl Stamps {
    /// Makes a folder for commands to write to.
    ///
    /// # Errors
    /// It is there already, or cannot be made.
    pub fn new(folder: &Path) -> Result<Stamps> {
        fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Stamps { folder: folder.to_owned(), taken: Vec::new() })
    }

    /// The command: it writes its stamp first of all, then does what `body` says.
    pub fn command(&self, body: &str) -> String {
        let folder = self.folder.display();
        format!("echo \"$TIDEGATE_RUN $TIDEGATE_ATTEMPT\" >> {folder}/$TIDEGATE_FENCE\n{body}\n")
    }

    /// Takes in what was written since.
    ///
    /// # Errors
    /// A file cannot be read, or has something else in it.
    pub fn take(&mut self) -> Result<()> {
        for path in self.files_since(0)? {
            let stamps = read(&path)?;
            // One that is open, but was not written to yet, is for the next time.
            if !stamps.is_empty() {
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
                self.taken.extend(stamps);
            }
        }
        Ok(())
    }

    /// Waits for the first command that was decided by an entry after this one, as far as it has not been taken in.
    ///
    /// # Errors
    /// None is started in time.
    pub fn wait_for_first_after(&self, index: u64) -> Result<Stamp> {
        wait::until_every(
            LOOK,
            wait::DEADLINE,
            &format!("a command that entry {index} does not know of"),
            || {
                let mut found = Vec::new();
                for path in self.files_since(index + 1)? {
                    found.extend(read(&path)?);
                }
                Ok(found.into_iter().min_by_key(|stamp| stamp.at))
            },
        )
    }

    /// Waits until any command is started that has not been taken in.
    ///
    /// # Errors
    /// None is in time.
    pub fn wait_for_any(&self) -> Result<Stamp> {
        self.wait_for_first_after(0)
    }

    /// All that was taken in, by run.
    pub fn by_run(&self) -> BTreeMap<&str, Vec<&Stamp>> {
        let mut runs: BTreeMap<&str, Vec<&Stamp>> = BTreeMap::new();
        for stamp in &self.taken {
            runs.entry(&stamp.run).or_default().push(stamp);
        }
        runs
    }

    /// The files of commands that this entry or a later one has decided.
    fn files_since(&self, index: u64) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if index_of(&path)? >= index {
                found.push(path);
            }
        }
        Ok(found)
    }
}

fn index_of(path: &Path) -> Result<u64> {
    let fence = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u64>().ok());
    Ok(fence.with_context(|| format!("{} is no fencing number", path.display()))? >> POSITION_BITS)
}

/// One stamp a line; more than one is for who judges, not for who reads.
fn read(path: &Path) -> Result<Vec<Stamp>> {
    let doing = || format!("cannot read {}", path.display());
    let text = fs::read_to_string(path).with_context(doing)?;
    let at = fs::metadata(path).and_then(|metadata| metadata.modified()).with_context(doing)?;
    let index = index_of(path)?;
    let stamp = |line: &str| {
        let Some((run, attempt)) = line.split_once(' ') else { bail!("{} has {line:?}", path.display()) };
        Ok(Stamp { run: run.to_owned(), attempt: attempt.parse()?, index, at })
    };
    text.lines().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_by_the_entry_that_decided() {
        let home = crate::Home::new().unwrap();
        let mut stamps = Stamps::new(&home.path().join("stamps")).unwrap();
        let write = |index: u64, position: u64, text: &str| {
            fs::write(stamps.folder.join(((index << 16) | position).to_string()), text).unwrap();
        };
        write(5, 1, "one 1\n");
        write(7, 0, "two 3\n");
        write(9, 0, "");
        assert_eq!(stamps.wait_for_first_after(4).unwrap().run, "one");
        let later = stamps.wait_for_first_after(5).unwrap();
        assert_eq!((later.run.as_str(), later.attempt, later.index), ("two", 3, 7));
        stamps.take().unwrap();
        let runs = stamps.by_run();
        assert_eq!((runs.len(), runs["one"][0].index), (2, 5));
        assert_eq!(stamps.files_since(0).unwrap().len(), 1, "what is not written yet waits");
    }
}
