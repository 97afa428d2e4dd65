//! Measures the durable log against the disk under it:
//! `cargo run --release -p tidegate-controller --example log_rate [FOLDER]`.
//!
//! Writes `target/bench/log_rate.json` besides what it prints.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tidegate_controller::disk::{DataFolder, DurableLog, LogOptions};
use tidegate_scheduler::consensus::{EntryKind, HardState, LogEntry, Persist};

type Failure = Box<dyn std::error::Error>;

const SINGLES: usize = 3000;
const SINGLE_BYTES: usize = 300;
const BATCHES: usize = 1000;
const BATCH: usize = 256;
const BATCH_BYTES: usize = 200;

fn main() -> Result<(), Failure> {
    let parent = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::Builder::new().prefix("log-rate-").tempdir_in(parent)?;
    let mut figures = Vec::new();

    let append = raw(folder.path(), SINGLES, SINGLE_BYTES, false)?;
    let overwrite = raw(folder.path(), SINGLES, SINGLE_BYTES, true)?;
    println!("raw write + fdatasync of {SINGLE_BYTES} B, growing a file:   {}", show(&append));
    println!("raw write + fdatasync of {SINGLE_BYTES} B, in place:         {}", show(&overwrite));
    for (name, ahead_bytes) in [
        ("zeros_ahead_0", 0),
        ("zeros_ahead_64k", 64 << 10),
        ("default", LogOptions::default().ahead_bytes),
        ("zeros_ahead_1m", 1 << 20),
    ] {
        let options = LogOptions { ahead_bytes, ..LogOptions::default() };
        let singles = singles(&folder.path().join(name), options)?;
        let ratio = middle(&singles).as_secs_f64() / middle(&overwrite).as_secs_f64();
        println!(
            "log, one entry of {SINGLE_BYTES} B a write, {name:16} {}; {ratio:.2} of in place",
            show(&singles)
        );
        if name == "default" {
            figures.push(figure("log_append_p50", middle(&singles).as_secs_f64() * 1e6, "us"));
            figures.push(figure("log_append_p50_to_raw_in_place", ratio, "ratio"));
            let grown = middle(&singles).as_secs_f64() / middle(&append).as_secs_f64();
            figures.push(figure("log_append_p50_to_raw_growing", grown, "ratio"));
        }
    }

    let written = BATCH * (BATCH_BYTES + 25);
    let raw_batches = raw(folder.path(), BATCHES, written, false)?;
    let raw_rate = (BATCHES * BATCH) as f64 / raw_batches.iter().sum::<Duration>().as_secs_f64();
    println!("raw, {written} B a write: {raw_rate:.0} entries/s, {}", show(&raw_batches));
    let (rate, bytes_per_entry, times) = batches(&folder.path().join("batches"))?;
    println!(
        "log, {BATCH} entries of {BATCH_BYTES} B a write: {rate:.0} entries/s, {:.2} of raw, {}",
        rate / raw_rate,
        show(&times)
    );
    println!("memory: {bytes_per_entry:.0} B an entry held");
    figures.push(figure("log_entries_per_second", rate, "1/s"));
    figures.push(figure("log_entries_to_raw", rate / raw_rate, "ratio"));
    figures.push(figure("log_memory_per_entry", bytes_per_entry, "B"));
    write_figures(&figures)
}

/// `count` synced writes of `len` bytes without a log: growing a new file, or in place over zeros.
fn raw(folder: &Path, count: usize, len: usize, in_place: bool) -> io::Result<Vec<Duration>> {
    let path = folder.join("raw");
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    if in_place {
        file.write_all_at(&vec![0; count * len], 0)?;
        file.sync_all()?;
    }
    let bytes = noise(len, 1);
    let mut times = Vec::with_capacity(count);
    for at in 0..count {
        let start = Instant::now();
        file.write_all_at(&bytes, (at * len) as u64)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(times)
}

fn singles(path: &Path, options: LogOptions) -> Result<Vec<Duration>, Failure> {
    let folder = DataFolder::open(path)?;
    let (mut log, _) = DurableLog::open(&folder, options)?;
    let mut times = Vec::with_capacity(SINGLES);
    for _ in 0..SINGLES {
        let persist = persist(log.last_index() + 1, 1, SINGLE_BYTES);
        let start = Instant::now();
        log.append(&[persist])?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// Entries a second, memory an entry, and each write's time.
fn batches(path: &Path) -> Result<(f64, f64, Vec<Duration>), Failure> {
    let folder = DataFolder::open(path)?;
    let (mut log, _) = DurableLog::open(&folder, LogOptions::default())?;
    let before = resident()?;
    let mut times = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let persist = persist(log.last_index() + 1, BATCH, BATCH_BYTES);
        let start = Instant::now();
        log.append(&[persist])?;
        times.push(start.elapsed());
    }
    let held = resident()?.saturating_sub(before) as f64 / (BATCHES * BATCH) as f64;
    Ok(((BATCHES * BATCH) as f64 / times.iter().sum::<Duration>().as_secs_f64(), held, times))
}

fn persist(first: u64, count: usize, len: usize) -> Persist {
    let entry = |index| LogEntry { index, term: 1, kind: EntryKind::Commands, data: noise(len, index) };
    let hard_state = Some(HardState { term: 1, vote: 1, commit: first - 1 });
    Persist {
        number: 1,
        hard_state,
        entries: (first..first + count as u64).map(entry).collect(),
        must_sync: true,
        ..Persist::default()
    }
}

/// Bytes that do not compress.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Bytes of this process in memory.
fn resident() -> Result<usize, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/self/status")?;
    Ok(line.trim().trim_end_matches("kB").trim_end().parse::<usize>()? << 10)
}

fn at(times: &[Duration], share: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

fn middle(times: &[Duration]) -> Duration {
    at(times, 0.5)
}

fn show(times: &[Duration]) -> String {
    format!("p50 {:.0?}, p99 {:.0?}, longest {:.1?}", middle(times), at(times, 0.99), at(times, 1.0))
}

fn figure(name: &str, value: f64, unit: &str) -> String {
    format!(
        r#"  {{"name": "{name}", "value": {value:.3}, "unit": "{unit}", "context": "examples/log_rate"}}"#
    )
}

fn write_figures(figures: &[String]) -> Result<(), Failure> {
    let folder =
        PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join("bench");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("log_rate.json"), format!("[\n{}\n]\n", figures.join(",\n")))?;
    Ok(())
}
