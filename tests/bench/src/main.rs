//! `tidegate-bench [NAME...]`: measures a real `tidegate up`, one measurement after the other, or those named alone.
//!
//! Prints a table, and writes each measurement to `target/bench/NAME.json`: a list of `{"name", "value", "unit",
//! "context"}`. Names stay as they are from release to release. Beside every figure stands how fast the machine starts
//! bare processes at that moment: on a machine that others use, rates mean little, and CPU time means more.

mod account;
mod bare;
mod connection;
mod cpu;
mod durable;
mod failover;
mod hyperqueue;
mod job;
mod latency;
mod machine;
mod memory;
mod placements;
mod quorum;
mod report;
mod server;
mod singles;
mod syscalls;
mod throughput;

use std::process::ExitCode;

use anyhow::{Result, bail};

use report::Report;

/// Measures something and reports it.
type Measure = fn(&mut Report) -> Result<()>;

/// What is measured, in this order.
const MEASUREMENTS: [(&str, Measure); 12] = [
    ("bare", bare::measure),
    ("array_10000", throughput::array),
    ("singles_10000", singles::measure),
    ("hyperqueue", hyperqueue::measure),
    ("submit_to_start", latency::measure),
    ("durable", durable::measure),
    ("placements", placements::measure),
    ("quorum", quorum::measure),
    ("failover", failover::measure),
    ("memory_queued_single", memory::singles),
    ("memory_queued_array", memory::array),
    ("ratios", report::ratios),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| MEASUREMENTS.iter().any(|(known, _)| known == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let names: Vec<&str> = MEASUREMENTS.iter().map(|(name, _)| *name).collect();
        bail!("there is no measurement {unknown}; there are {}", names.join(", "));
    }
    let mut report = Report::new()?;
    for (name, measure) in MEASUREMENTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(&mut report)?;
        }
    }
    Ok(())
}
