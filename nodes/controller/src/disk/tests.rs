//! What the disk does to a controller, and what the controller makes of it.

mod crash;
mod damage;
mod folder;
mod full;
mod life;
mod snapshots;
mod torn;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tidegate_scheduler::consensus::{EntryKind, HardState, LogEntry, Persist};

use super::{DataFolder, DurableLog, LogError, LogOptions, Recovered};

/// Small enough for a test to see what happens at every edge.
fn small() -> LogOptions {
    LogOptions { reserve_bytes: 1 << 16, file_bytes: 4096, ahead_bytes: 512 }
}

fn open(path: &Path) -> (DataFolder, DurableLog, Recovered) {
    let folder = DataFolder::open(path).expect("a usable folder");
    let (log, recovered) = DurableLog::open(&folder, small()).expect("a usable log");
    (folder, log, recovered)
}

fn refusal(path: &Path) -> LogError {
    let folder = DataFolder::open(path).expect("a usable folder");
    match DurableLog::open(&folder, small()) {
        Ok((_, recovered)) => panic!("opened: {recovered:?}"),
        Err(error) => error,
    }
}

/// Content that says which entry it is, of a length that varies.
fn entry(index: u64, term: u64) -> LogEntry {
    let kind = if index.is_multiple_of(7) { EntryKind::Membership } else { EntryKind::Commands };
    let data = (0..index * 13 % 90).map(|at| (index * 31 + term + at) as u8).collect();
    LogEntry { index, term, kind, data }
}

fn write(entries: Vec<LogEntry>, hard_state: Option<HardState>) -> Persist {
    Persist { number: 1, hard_state, must_sync: true, entries, ..Persist::default() }
}

fn committed(term: u64, commit: u64) -> Option<HardState> {
    Some(HardState { term, vote: 1, commit })
}

/// Appends one entry after the other, each committed once the next is written.
fn fill(log: &mut DurableLog, range: std::ops::RangeInclusive<u64>, term: u64) {
    for index in range {
        log.append(&[write(vec![entry(index, term)], committed(term, index - 1))]).expect("written");
    }
}

fn all(log: &DurableLog) -> Vec<LogEntry> {
    log.entries(log.first_index(), log.last_index() + 1, usize::MAX).expect("read")
}

/// Every file of the log, by name.
fn contents(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(path.join("log")).expect("listed").map(|file| file.expect("listed").path());
    files.map(|file| (file.clone(), fs::read(&file).expect("read"))).collect()
}

/// The files that hold records, oldest first.
fn record_files(path: &Path) -> Vec<PathBuf> {
    contents(path).into_keys().filter(|file| file.extension().is_some_and(|it| it == "raftlog")).collect()
}

/// Where each record of a file begins, and where the last one ends.
fn record_starts(file: &Path) -> Vec<usize> {
    let bytes = fs::read(file).expect("read");
    let number =
        file.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).expect("numbered");
    let mut starts = vec![super::record::FILE_HEADER];
    while let Some(record) = super::record::parse(&bytes[starts[starts.len() - 1]..], number) {
        starts.push(starts[starts.len() - 1] + record.len);
    }
    starts
}

/// Makes `to` a copy of the data folder `from`, whose process has ended.
fn copy(from: &Path, to: &Path) {
    drop(DataFolder::open(to).expect("a usable folder"));
    for (file, bytes) in contents(from) {
        fs::write(to.join("log").join(file.file_name().expect("named")), bytes).expect("copied");
    }
}
