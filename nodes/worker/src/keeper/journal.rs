//! The keeper's journal: an append-only file of small checksummed records.
//!
//! Written, not synced: it must survive the death of processes, not of the machine. After a restart of the machine
//! nothing that it names runs any more, which the boot id in [`Record::Opened`] tells.
//!
//! A record is its length (u32, little-endian), the CRC-32 of its body (u32), and its body in MessagePack.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FallocateFlags, fallocate};
use serde::{Deserialize, Serialize};

use super::protocol::Exit;

const HEADER_BYTES: usize = 8;
/// A record above this is damage: an error text is the largest thing in one, and is cut.
const BODY_MAX_BYTES: usize = 1 << 20;
/// Disk space reserved ahead of the end, so that a disk filled by the runs does not stop the journal.
const RESERVE_BYTES: u64 = 8 << 20;
/// A journal shorter than this is not worth compacting.
const COMPACT_ABOVE_BYTES: u64 = 4 << 20;

/// One thing that the keeper must not forget when it dies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Record {
    /// A keeper began to use this journal.
    Opened {
        /// The boot and the process namespace: process ids of another mean nothing.
        boot_id: String,
        /// Where it makes its cgroups.
        cgroup_roots: Vec<PathBuf>,
    },
    /// An attempt is about to be spawned.
    Intent { fence: u64 },
    /// It was spawned, between these two readings of the boot clock.
    Spawned { fence: u64, pid: u32, boot_us: (u64, u64), started_unix_us: u64 },
    /// It could not be spawned.
    Failed { fence: u64, error: String },
    /// It has ended.
    Ended(Exit),
    /// Its end is in safe hands.
    Forgotten { fences: Vec<u64> },
}

/// The journal, open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of good records.
    len: u64,
    /// Bytes up to which disk space is reserved.
    reserved: u64,
    scratch: Vec<u8>,
}

/// What was found in a journal.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) journal: Journal,
    pub(super) records: Vec<Record>,
    /// Bytes at the end that were no record, and have been cut off.
    pub(super) torn_bytes: u64,
}

impl Journal {
    /// Opens or creates the journal, reads it up to the first record that is not whole, and cuts the rest off.
    pub(super) fn open(path: &Path) -> io::Result<Loaded> {
        let mut file = options().open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (records, good) = parse(&bytes);
        let torn_bytes = (bytes.len() - good) as u64;
        if torn_bytes > 0 {
            file.set_len(good as u64)?;
        }
        let journal =
            Self { path: path.to_owned(), file, len: good as u64, reserved: 0, scratch: Vec::new() };
        Ok(Loaded { journal, records, torn_bytes })
    }

    /// Appends records in one write. On failure none of them is in the journal.
    pub(super) fn append<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) -> io::Result<()> {
        self.scratch.clear();
        for record in records {
            encode(&mut self.scratch, record)?;
        }
        self.reserve();
        if let Err(error) = self.file.write_all_at(&self.scratch, self.len) {
            // Half a record would hide all that follow it from the next reader.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += self.scratch.len() as u64;
        Ok(())
    }

    /// Whether the journal has grown to more than twice what `live` records need (about 128 bytes each).
    pub(super) fn wants_compaction(&self, live: usize) -> bool {
        self.len > COMPACT_ABOVE_BYTES && self.len > live as u64 * 256
    }

    /// Replaces the journal by these records, at once or not at all.
    pub(super) fn replace(&mut self, records: &[Record]) -> io::Result<()> {
        let beside = self.path.with_extension("compacted");
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut fresh = Self {
            path: self.path.clone(),
            file: options().open(&beside)?,
            len: 0,
            reserved: 0,
            scratch: Vec::new(),
        };
        fresh.append(records)?;
        std::fs::rename(&beside, &self.path)?;
        *self = fresh;
        Ok(())
    }

    /// Puts another file in the place of the journal's, as a failing disk would.
    #[cfg(test)]
    pub(super) fn swap(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }

    /// Keeps disk space ahead of the end. Where the file system cannot, appending still works while there is space.
    fn reserve(&mut self) {
        if self.len + RESERVE_BYTES / 2 < self.reserved {
            return;
        }
        let until = self.len + RESERVE_BYTES;
        if let Err(error) = fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, until) {
            tracing::debug!(%error, "no disk space reserved for the keeper's journal");
        }
        self.reserved = until;
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

fn encode(buffer: &mut Vec<u8>, record: &Record) -> io::Result<()> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER_BYTES]);
    rmp_serde::encode::write(buffer, record).map_err(io::Error::other)?;
    let body = &buffer[start + HEADER_BYTES..];
    let len = u32::try_from(body.len()).map_err(io::Error::other)?;
    let sum = crc32fast::hash(body);
    buffer[start..start + 4].copy_from_slice(&len.to_le_bytes());
    buffer[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

/// The records up to the first that is not whole, and how many bytes they take.
fn parse(bytes: &[u8]) -> (Vec<Record>, usize) {
    let mut records = Vec::new();
    let mut good = 0;
    while let Some((record, len)) = parse_one(&bytes[good..]) {
        records.push(record);
        good += len;
    }
    (records, good)
}

fn parse_one(bytes: &[u8]) -> Option<(Record, usize)> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [l0, l1, l2, l3, s0, s1, s2, s3] = *header;
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if len > BODY_MAX_BYTES {
        return None;
    }
    let body = rest.get(..len)?;
    if crc32fast::hash(body) != u32::from_le_bytes([s0, s1, s2, s3]) {
        return None;
    }
    Some((rmp_serde::from_slice(body).ok()?, HEADER_BYTES + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(fence: u64) -> Record {
        Record::Intent { fence }
    }

    #[test]
    fn what_was_appended_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut journal = Journal::open(&path).unwrap().journal;
        journal.append(&[intent(1), intent(2)]).unwrap();
        journal.append(&[intent(3)]).unwrap();
        let loaded = Journal::open(&path).unwrap();
        assert_eq!(loaded.records, [intent(1), intent(2), intent(3)]);
        assert_eq!(loaded.torn_bytes, 0);
    }

    #[test]
    fn a_torn_tail_is_cut_at_every_length_and_writing_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut journal = Journal::open(&path).unwrap().journal;
        journal.append(&[intent(1)]).unwrap();
        let good = std::fs::read(&path).unwrap();
        journal.append(&[intent(2)]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in good.len() + 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut loaded = Journal::open(&path).unwrap();
            assert_eq!(loaded.records, [intent(1)], "cut at {cut}");
            assert_eq!(loaded.torn_bytes as usize, cut - good.len());
            loaded.journal.append(&[intent(9)]).unwrap();
            assert_eq!(Journal::open(&path).unwrap().records, [intent(1), intent(9)]);
        }
    }

    #[test]
    fn a_flipped_bit_ends_the_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut journal = Journal::open(&path).unwrap().journal;
        journal.append(&[intent(1), intent(2)]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let loaded = Journal::open(&path).unwrap();
        assert_eq!(loaded.records, [intent(1)]);
        assert!(loaded.torn_bytes > 0);
    }

    #[test]
    fn compaction_replaces_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut journal = Journal::open(&path).unwrap().journal;
        for fence in 0..100 {
            journal.append(&[intent(fence)]).unwrap();
        }
        journal.replace(&[intent(7)]).unwrap();
        journal.append(&[intent(8)]).unwrap();
        assert_eq!(Journal::open(&path).unwrap().records, [intent(7), intent(8)]);
    }
}
