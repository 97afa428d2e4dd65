//! How many runs a second history takes in, from submission to end, and what CPU time each costs.
//!
//! `cargo run --release -p tidegate-store --example history_rate [FOLDER]`: the folder, a temporary one when
//! absent, says which disk is measured. Writes `target/bench/history_rate.json`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use tidegate_scheduler::command::{OnDisconnect, Scheduling, Submit};
use tidegate_scheduler::event::{Ending, Event, What};
use tidegate_scheduler::ids::{Fence, NodeId, RunId, Slot};
use tidegate_scheduler::message::{End, Report};
use tidegate_scheduler::resources::{Need, Resources};
use tidegate_scheduler::time::{Millis, WallMicros};
use tidegate_store::{BlobStore, Digest, History, StoreOptions};

const RUNS: u64 = 20_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let temporary = tempfile::TempDir::new()?;
    let folder = std::env::args_os().nth(1).map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let place = folder.join(format!("history-rate-{}", std::process::id()));
    fs::create_dir_all(&place)?;
    let measured = [1, 16, 256].map(|batch| measure(&place, batch));
    fs::remove_dir_all(&place)?;
    let mut figures = Vec::new();
    for figure in measured {
        figures.extend(figure?);
    }
    for figure in &figures {
        println!("{:<34} {:>9} {}", text(figure, "name"), figure["value"], text(figure, "unit"));
    }
    let report = Path::new("target/bench");
    fs::create_dir_all(report)?;
    fs::write(report.join("history_rate.json"), serde_json::to_vec_pretty(&figures)?)?;
    Ok(())
}

fn measure(place: &Path, runs_a_batch: usize) -> Result<[Value; 2]> {
    let place = place.join(runs_a_batch.to_string());
    fs::create_dir_all(&place)?;
    let blobs = BlobStore::open(place.join("blobs"), StoreOptions::default())?;
    let history = History::open(&place.join("history.db"), blobs)?;
    let events: Vec<Event> = (1..=RUNS).flat_map(events).collect();
    let (started, cpu) = (Instant::now(), cpu_seconds());
    for batch in events.chunks(4 * runs_a_batch) {
        history.apply(batch)?;
    }
    history.flush()?;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let context = json!({"runs": RUNS, "runs_a_batch": runs_a_batch, "events_a_run": 4});
    let (rate, cost) = ((RUNS as f64 / seconds).round(), (cpu * 1e6 / RUNS as f64).round());
    let name = format!("store.history_runs_by_{runs_a_batch}");
    Ok([
        json!({"name": name, "value": rate, "unit": "1/s", "context": context}),
        json!({"name": format!("{name}_cpu"), "value": cost, "unit": "us/run", "context": context}),
    ])
}

/// One run's life, in one entry.
fn events(number: u64) -> Vec<Event> {
    let body = br#"{"command": "/bin/true", "tags": {"team": "blue"}}"#.to_vec();
    let (run, fence, node) = (RunId(number), Fence::new(number, 0), NodeId(1));
    let slot = Slot { run, element: 0 };
    let submit = Box::new(Submit {
        name: format!("brisk_pelican_{number:010}"),
        workspace: "default".into(),
        experiment: "Default".into(),
        pool: None,
        count: 1,
        need: Need::Part(Resources { vcpu: 1, memory_mib: 0, gpu_milli: 0 }),
        priority: 50,
        scheduling: Scheduling::default(),
        retries: 0,
        on_disconnect: OnDisconnect::Continue,
        grace: Millis::seconds(30),
        digest: Digest::of(&body).into(),
        body,
    });
    let report = Box::new(Report {
        fence,
        end: End::Succeeded,
        started: WallMicros(number),
        ended: WallMicros(number),
        cpu_micros: 900,
        max_rss_kib: 2000,
        artifacts: vec![7; 150],
        notes: Vec::new(),
    });
    [
        What::Submitted { run, pool: "cpu".into(), submit },
        What::Started { slot, fence, node, attempt: 1 },
        What::Ended { slot, node, attempt: 1, ending: Ending::Completed, report },
        What::RunEnded { run, ending: Ending::Completed },
    ]
    .into_iter()
    .map(|what| Event { index: number, wall: WallMicros(number), what })
    .collect()
}

/// CPU time of this process so far, all threads.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn text<'a>(figure: &'a Value, key: &str) -> &'a str {
    figure[key].as_str().unwrap_or("")
}
