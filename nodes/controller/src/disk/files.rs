//! The storage engine's view of the disk: it writes ahead of the log's end, and falls back on the reserve.
//!
//! A file that grows by one small synced write pays the file system for recording each new length. So
//! small writes find zeros already in place; a record is never made of zeros, so what is left of them
//! after a crash is recognised and cut off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use raft_engine::env::{FileSystem, Handle, Permission, WriteExt};

use super::reserve::{Purpose, Reserve, is_full};

/// Longer writes gain nothing from zeros in place, and would write everything twice.
const SMALL: usize = 16 << 10;

/// Opens, makes and removes the log's files for the engine.
pub(super) struct LogFiles {
    reserve: Arc<Reserve>,
    /// How many zeros to keep ahead of the end, in bytes; 0 for none.
    ahead: usize,
}

impl LogFiles {
    pub(super) fn new(reserve: Arc<Reserve>, ahead: usize) -> Self {
        Self { reserve, ahead }
    }
}

impl FileSystem for LogFiles {
    type Handle = LogFile;
    type Reader = Cursor;
    type Writer = Cursor;

    fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<LogFile> {
        let open = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path.as_ref())
        };
        with_reserve(&self.reserve, 4096, Purpose::Upkeep, open).map(LogFile)
    }

    fn open<P: AsRef<Path>>(&self, path: P, permission: Permission) -> io::Result<LogFile> {
        OpenOptions::new().read(true).write(permission == Permission::ReadWrite).open(path).map(LogFile)
    }

    fn delete<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename<P: AsRef<Path>>(&self, from: P, to: P) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn new_reader(&self, handle: Arc<LogFile>) -> io::Result<Cursor> {
        self.new_writer(handle)
    }

    fn new_writer(&self, handle: Arc<LogFile>) -> io::Result<Cursor> {
        let end = handle.len()?;
        let (reserve, ahead) = (self.reserve.clone(), self.ahead as u64);
        Ok(Cursor { handle, reserve, ahead, position: 0, end, allowed_end: end })
    }
}

/// An open file of the log.
pub(super) struct LogFile(File);

impl LogFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

impl Handle for LogFile {
    fn truncate(&self, len: usize) -> io::Result<()> {
        self.0.set_len(len as u64)
    }

    fn file_size(&self) -> io::Result<usize> {
        Ok(self.len()? as usize)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// A place in an open file, to read or write at.
pub(super) struct Cursor {
    handle: Arc<LogFile>,
    reserve: Arc<Reserve>,
    ahead: u64,
    position: u64,
    /// The file's length; what lies between the log's end and this is zeros.
    end: u64,
    /// How far the engine wants the file to reach. It cuts off what is unused up to here when it is done with
    /// the file, so zeros must not go beyond.
    allowed_end: u64,
}

impl Cursor {
    /// Best done, not needed: a failure (a full disk) costs speed only.
    fn write_zeros_ahead(&mut self) {
        let to = (self.position + self.ahead).min(self.allowed_end);
        if to <= self.end {
            return;
        }
        let zeros = vec![0; (to - self.end) as usize];
        if self.handle.0.write_all_at(&zeros, self.end).is_ok() {
            self.end = to;
        } else if let Err(error) = self.handle.0.set_len(self.end) {
            tracing::debug!(%error, "cannot cut off zeros that were not all written");
        }
    }
}

impl Write for Cursor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let purpose = if self.position == 0 { Purpose::Upkeep } else { Purpose::Entries };
        with_reserve(&self.reserve, bytes.len() as u64, purpose, || {
            self.handle.0.write_all_at(bytes, self.position)
        })?;
        self.position += bytes.len() as u64;
        if self.position > self.end {
            self.end = self.position;
            if bytes.len() <= SMALL {
                self.write_zeros_ahead();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.handle.0.read_at(buffer, self.position)?;
        self.position += len as u64;
        Ok(len)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, offset) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::Current(offset) => (self.position, offset),
            SeekFrom::End(offset) => (self.handle.len()?, offset),
        };
        self.position = base.checked_add_signed(offset).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl WriteExt for Cursor {
    fn truncate(&mut self, len: usize) -> io::Result<()> {
        self.handle.truncate(len)?;
        (self.position, self.end, self.allowed_end) = (len as u64, len as u64, len as u64);
        Ok(())
    }

    fn allocate(&mut self, offset: usize, len: usize) -> io::Result<()> {
        self.allowed_end = (offset + len) as u64;
        Ok(())
    }
}

/// Repeats what a full disk refuses, for as long as the reserve can give space for it.
fn with_reserve<T>(
    reserve: &Reserve,
    needed: u64,
    purpose: Purpose,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if is_full(&error) && reserve.release(needed, purpose)? => {}
            result => return result,
        }
    }
}
