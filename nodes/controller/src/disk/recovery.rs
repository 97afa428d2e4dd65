//! Reads the log's files before anything opens them for writing, and decides what they are: whole, torn at
//! the end by a crash, or damaged where it had been acknowledged.
//!
//! The log has at most one record on its way to the disk, and every record before it is synced. So a bad
//! record with nothing valid behind it is a write that a crash cut short and nobody was promised; a bad
//! record with a valid one behind it had been promised, and the log is refused as it lies.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::LogError;
use super::milestone;
use super::record::{self, FILE_HEADER};
use super::shape::{GROUP, Shape};

/// A write that a crash cut short, dropped while opening: nobody had been told that it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file that held it.
    pub file: PathBuf,
    /// Where in the file it began; the log now ends there.
    pub offset: u64,
    /// How long it was, to its last byte that is not zero.
    pub bytes_dropped: u64,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the log's last write was cut short by a crash: {} bytes at byte {} of {} are dropped. Nobody had been \
             told that it was done; everything before it is there",
            self.bytes_dropped,
            self.offset,
            self.file.display()
        )
    }
}

/// What has to be cut off the end of the newest file before it can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Shorten the file to this length.
    Shorten(PathBuf, u64),
    /// Remove it: it was being created.
    Remove(PathBuf),
}

/// The verdict on a log that can be opened.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) shape: Shape,
    pub(super) torn_tail: Option<TornTail>,
    pub(super) cuts: Vec<Cut>,
    /// The newest file that stays and is written on.
    pub(super) newest: Option<PathBuf>,
    /// How many records there are; 0 only for a log that was never begun.
    pub(super) records: u64,
}

/// Reads every file in `folder` and changes none.
pub(super) fn inspect(folder: &Path) -> Result<Findings, LogError> {
    let mut findings = Findings::default();
    let rewritten = numbered_files(folder, ".rewrite")?;
    let appended = numbered_files(folder, ".raftlog")?;
    let newest_seen = milestone::read(folder)?;
    if appended.last().map_or(0, |(number, _)| *number) < newest_seen {
        return Err(LogError::MissingFile { file: folder.join(file_name(newest_seen, ".raftlog")) });
    }
    // The rewrite queue is older than the append queue by the engine's own order. This log compacts in a way
    // that leaves it without records, but its files are held to the same standard.
    inspect_queue(folder, &rewritten, 0, &mut findings)?;
    inspect_queue(folder, &appended, newest_seen, &mut findings)?;
    if newest_seen > 0 && findings.records == 0 {
        let detail = "it was in use, and now holds no record".into();
        return Err(LogError::Incomplete { folder: folder.into(), detail });
    }
    findings.newest = appended
        .iter()
        .rev()
        .map(|(_, path)| path.clone())
        .find(|path| !findings.cuts.contains(&Cut::Remove(path.clone())));
    findings.shape.bounds().map_err(|detail| LogError::Incomplete { folder: folder.into(), detail })?;
    Ok(findings)
}

/// The files of one queue with their numbers, ascending and without a gap.
fn numbered_files(folder: &Path, suffix: &str) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(LogError::io("list", folder))? {
        let entry = entry.map_err(LogError::io("list", folder))?;
        let name = entry.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_suffix(suffix)).and_then(|stem| stem.parse().ok());
        if let Some(number) = number {
            files.push((number, entry.path()));
        }
    }
    files.sort_unstable();
    for pair in files.windows(2) {
        if pair[1].0 != pair[0].0 + 1 {
            return Err(LogError::MissingFile { file: folder.join(file_name(pair[0].0 + 1, suffix)) });
        }
    }
    Ok(files)
}

fn file_name(number: u64, suffix: &str) -> String {
    format!("{number:016}{suffix}")
}

fn inspect_queue(
    folder: &Path,
    files: &[(u64, PathBuf)],
    newest_seen: u64,
    findings: &mut Findings,
) -> Result<(), LogError> {
    for (place, (number, path)) in files.iter().enumerate() {
        let bytes = fs::read(path).map_err(LogError::io("read", path))?;
        let end = read_records(folder, &bytes, *number, findings)?;
        if end > 0 && end == bytes.len() {
            continue;
        }
        refuse_if_followed(path, &bytes, end, *number, &files[place + 1..])?;
        let written = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        if end == 0 && *number <= newest_seen {
            return Err(LogError::Damaged { file: path.clone(), offset: 0, next_valid: None });
        }
        // Zeros alone are space that was allocated ahead.
        if written > end {
            findings.torn_tail = Some(TornTail {
                file: path.clone(),
                offset: end as u64,
                bytes_dropped: (written - end) as u64,
            });
        }
        findings.cuts.push(match end {
            0 => Cut::Remove(path.clone()),
            end => Cut::Shorten(path.clone(), end as u64),
        });
    }
    Ok(())
}

/// Reads the file up to its first bad record, and returns where that begins: 0 if its header is bad, the
/// file's length if nothing is.
fn read_records(
    folder: &Path,
    bytes: &[u8],
    number: u64,
    findings: &mut Findings,
) -> Result<usize, LogError> {
    if !record::file_header_holds(bytes) {
        return Ok(0);
    }
    let mut offset = FILE_HEADER;
    while let Some(record) = record::parse(&bytes[offset..], number) {
        let applied = match record.items(GROUP) {
            Some(items) => findings.shape.apply(items),
            None => Err("a record with a valid checksum cannot be read".into()),
        };
        applied.map_err(|detail| LogError::Incomplete {
            folder: folder.into(),
            detail: format!("{detail} (file {number}, byte {offset})"),
        })?;
        offset += record.len;
        findings.records += 1;
    }
    Ok(offset)
}

fn refuse_if_followed(
    path: &Path,
    bytes: &[u8],
    bad: usize,
    number: u64,
    later: &[(u64, PathBuf)],
) -> Result<(), LogError> {
    let mut next_valid =
        record::search(bytes, bad + 1, number).map(|offset| (path.to_path_buf(), offset as u64));
    for (number, path) in later {
        if next_valid.is_some() {
            break;
        }
        let bytes = fs::read(path).map_err(LogError::io("read", path))?;
        next_valid = record::search(&bytes, 0, *number).map(|offset| (path.clone(), offset as u64));
    }
    if next_valid.is_none() && later.is_empty() {
        return Ok(());
    }
    Err(LogError::Damaged { file: path.into(), offset: bad as u64, next_valid })
}
