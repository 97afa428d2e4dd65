//! How many runs a second, and what CPU time each takes: one array.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    job,
    machine::Machine,
    report::{Figure, Report, Target},
    server::{Server, Used},
};

/// How many runs.
pub(crate) const RUNS: u64 = 10_000;

/// 10,000 runs as one array.
pub(crate) fn array(report: &mut Report) -> Result<()> {
    report.title("10,000 runs of /bin/true as one array, on one node of 64 vCPU, one vCPU each");
    let server = Server::start()?;
    server.warm_node()?;
    let connection = server.connect();
    let array = json!({ "name": "array", "job": job::smallest("/bin/true"), "count": RUNS });
    let ((elapsed, used), machine) = Machine::around(|| {
        let (began, before) = (Instant::now(), server.used()?);
        connection.post("/runs", &array)?;
        let ended = connection.wait_for_end("array")?;
        let elapsed = began.elapsed();
        ensure!(ended["elements"]["completed"] == RUNS, "not all runs ended well: {ended}");
        Ok((elapsed, server.used()?.since(before)))
    })?;
    report.add("array_10000", figures("array_10000", elapsed, used, true), Some(&machine))
}

/// The figures of a load of [`RUNS`] runs.
pub(crate) fn figures(name: &str, elapsed: Duration, used: Used, has_target: bool) -> Vec<Figure> {
    let each = |micros: u64| micros as f64 / RUNS as f64;
    let rate = Figure::new(name, RUNS as f64 / elapsed.as_secs_f64(), "runs/s")
        .with("measured", "from before the submission until the last run is known to have ended");
    let cpu = Figure::new(format!("{name}_cpu"), each(used.all), "us of CPU/run")
        .with("of", "the server, the node's agent and keeper, and the commands")
        .with("counted_by", if used.by_cgroup { "cgroup" } else { "processes" });
    let (rate, cpu) = match has_target {
        true => (rate.target(Target::AtLeast(1_000.0)), cpu.target(Target::Below(1_100.0))),
        false => (rate, cpu),
    };
    let parts = [
        ("controller", used.controller),
        ("agent", used.agents),
        ("keeper", used.keepers),
        ("commands", used.commands),
    ];
    let parts =
        parts.map(|(part, micros)| Figure::new(format!("{name}_cpu_{part}"), each(micros), "us of CPU/run"));
    [rate, cpu].into_iter().chain(parts).collect()
}
