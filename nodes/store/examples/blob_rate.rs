//! How many small blobs a second a store acknowledges, beside what the disk can sync.
//!
//! `cargo run --release -p tidegate-store --example blob_rate [FOLDER]`: the folder, a temporary one when
//! absent, says which disk is measured. Writes `target/bench/blob_rate.json`.

use std::error::Error;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_store::{BlobStore, StoreOptions};

const BLOB_BYTES: usize = 1024;
const EACH: Duration = Duration::from_secs(4);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let temporary = tempfile::TempDir::new()?;
    let folder = std::env::args_os().nth(1).map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let place = folder.join(format!("blob-rate-{}", std::process::id()));
    fs::create_dir_all(&place)?;
    let measured = measure(&place);
    fs::remove_dir_all(&place)?;
    let figures = measured?;
    for figure in &figures {
        println!("{:<34} {:>9} {}", name(figure), figure["value"], figure["unit"].as_str().unwrap_or(""));
    }
    let report = Path::new("target/bench");
    fs::create_dir_all(report)?;
    fs::write(report.join("blob_rate.json"), serde_json::to_vec_pretty(&figures)?)?;
    Ok(())
}

fn measure(place: &Path) -> Result<Vec<Value>> {
    let mut figures = vec![
        figure("store.fdatasync_append", sync_rate(place, false)?, json!({"bytes": 4096})),
        figure("store.fdatasync_overwrite", sync_rate(place, true)?, json!({"bytes": 4096})),
    ];
    for (name, durable, putters) in [
        ("store.small_puts_1", true, 1),
        ("store.small_puts_64", true, 64),
        ("store.small_puts_1_not_durable", false, 1),
        ("store.small_puts_64_not_durable", false, 64),
    ] {
        let store = BlobStore::open(place.join(name), StoreOptions { durable, ..StoreOptions::default() })?;
        let rate = put_rate(&store, putters)?;
        let usage = store.usage()?;
        let shared = usage.puts as f64 / usage.commits.max(1) as f64;
        let context = json!({"bytes": BLOB_BYTES, "putters": putters, "puts_per_commit": shared});
        figures.push(figure(name, rate, context));
    }
    Ok(figures)
}

/// Synced writes of 4 KiB a second by one thread, at the end of a file or over one that has its size.
fn sync_rate(place: &Path, overwrite: bool) -> Result<f64> {
    const FILE_BYTES: u64 = 16 << 20;
    let mut file = File::create(place.join("raw"))?;
    if overwrite {
        file.write_all(&vec![1; FILE_BYTES as usize])?;
        file.sync_all()?;
    }
    file.rewind()?;
    let (mut count, started) = (0_u64, Instant::now());
    while started.elapsed() < EACH {
        if overwrite {
            file.seek(SeekFrom::Start(count * 4096 % FILE_BYTES))?;
        }
        file.write_all(&[count as u8; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

/// Acknowledged puts of distinct blobs a second, by so many threads that each wait for theirs.
fn put_rate(store: &BlobStore, putters: u64) -> Result<f64> {
    let started = Instant::now();
    let counts = thread::scope(|scope| {
        let putters: Vec<_> = (0..putters)
            .map(|putter| {
                scope.spawn(move || -> Result<u64> {
                    let mut count = 0_u64;
                    while started.elapsed() < EACH {
                        let mut blob = vec![0x5a; BLOB_BYTES];
                        blob[..8].copy_from_slice(&putter.to_le_bytes());
                        blob[8..16].copy_from_slice(&count.to_le_bytes());
                        store.put(blob)?;
                        count += 1;
                    }
                    Ok(count)
                })
            })
            .collect();
        putters
            .into_iter()
            .map(|putter| putter.join().unwrap_or_else(|_| Err("a putter panicked".into())))
            .sum::<Result<u64>>()
    })?;
    Ok(counts as f64 / started.elapsed().as_secs_f64())
}

fn figure(name: &str, rate: f64, context: Value) -> Value {
    json!({"name": name, "value": rate.round(), "unit": "1/s", "context": context})
}

fn name(figure: &Value) -> &str {
    figure["name"].as_str().unwrap_or("")
}
