//! Remembers the number of the newest file that was on the disk, so that its absence is not taken for the
//! log's end, nor the absence of all for a new log.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::error::LogError;
use super::folder::sync_folder;

const NAME: &str = "newest-file";

/// The open note.
#[derive(Debug)]
pub(super) struct Milestone {
    file: File,
    newest: u64,
}

/// The number noted in `folder`; 0 if there is none yet.
pub(super) fn read(folder: &Path) -> Result<u64, LogError> {
    let path = folder.join(NAME);
    match std::fs::read_to_string(&path) {
        // Empty: the crash came between making it and writing it.
        Ok(text) if text.is_empty() => Ok(0),
        Ok(text) => text.trim().parse().map_err(|_| LogError::Incomplete {
            folder: folder.into(),
            detail: format!("{} does not name a file's number", path.display()),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(LogError::io("read", &path)(error)),
    }
}

impl Milestone {
    /// Opens the note in `folder`, which says `newest`.
    pub(super) fn open(folder: &Path, newest: u64) -> Result<Self, LogError> {
        let path = folder.join(NAME);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(LogError::io("open", &path))?;
        sync_folder(folder).map_err(LogError::io("sync", folder))?;
        Ok(Self { file, newest })
    }

    /// Notes that file `newest` is on the disk. The note keeps its length, so a full disk does not matter.
    pub(super) fn reach(&mut self, newest: u64) -> io::Result<()> {
        if newest > self.newest {
            self.file.write_all_at(format!("{newest:016}\n").as_bytes(), 0)?;
            self.file.sync_data()?;
            self.newest = newest;
        }
        Ok(())
    }
}
