//! What a long queue costs in the server's memory, and how long a server takes to come back with one.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    cpu::resident_bytes,
    job,
    machine::Machine,
    report::{Figure, Report, Target},
    server::Server,
};

/// Queued runs, each a submission with a body of its own.
const SINGLES: u64 = 100_000;
/// Of them in one request.
const BATCH: u64 = 2_000;
/// Elements of the queued array.
const ELEMENTS: u64 = 1_000_000;
/// How long the memory must not have changed to be taken.
const STILL: Duration = Duration::from_secs(2);
/// How much of a change is none, in bytes.
const NOTHING: u64 = 256 << 10;

/// 100,000 queued runs, then a restart with them.
pub(crate) fn singles(report: &mut Report) -> Result<()> {
    report.title("100,000 queued runs, each with a job of its own");
    let mut server = Server::start()?;
    server.make_barred_pool()?;
    let connection = server.connect();
    let before = settled(&server)?;
    let mut bytes = 0;
    let began = Instant::now();
    for first in (0..SINGLES).step_by(BATCH as usize) {
        let run = |number| json!({ "name": format!("trial-{number:06}"), "job": job::realistic(number) });
        let runs: Vec<Value> = (first..first + BATCH).map(run).collect();
        bytes += runs.iter().map(|run| run["job"].to_string().len() as u64).sum::<u64>();
        let answer = connection.post("/runs:batch", &json!({ "runs": runs }))?;
        let refused =
            answer["runs"].as_array().and_then(|runs| runs.iter().find(|run| run.get("problem").is_some()));
        ensure!(refused.is_none(), "a run of a batch was refused: {refused:?}");
    }
    let rate = SINGLES as f64 / began.elapsed().as_secs_f64();
    let after = settled(&server)?;
    let queued = connection.get("/status")?["queued_elements"].clone();
    ensure!(queued == SINGLES, "{queued} runs are queued, not {SINGLES}");
    let each = (after - before.min(after)) as f64 / SINGLES as f64;
    let figures = vec![
        Figure::new("memory_queued_single", each, "bytes/run")
            .target(Target::Below(1024.0))
            .with("resident_before", before)
            .with("resident_after", after)
            .with("job_bytes", bytes / SINGLES),
        Figure::new("accepted_batched", rate, "submissions/s").with("batch", BATCH),
    ];
    report.add("memory_queued_single", figures, None)?;
    let (restart, machine) = Machine::around(|| restart(&mut server))?;
    let queued = server.connect().get("/status")?["queued_elements"].clone();
    ensure!(queued == SINGLES, "{queued} runs are queued after the restart, not {SINGLES}");
    let resident = settled(&server)?;
    let figure = Figure::new("restart_100000", restart.as_secs_f64() * 1000.0, "ms")
        .with("measured", "killed by SIGKILL; from its start anew until /readyz says yes")
        .with("resident_after", resident);
    report.add("restart_100000", vec![figure], Some(&machine))
}

/// One queued array of 1,000,000.
pub(crate) fn array(report: &mut Report) -> Result<()> {
    report.title("One queued array of 1,000,000");
    let server = Server::start()?;
    server.make_barred_pool()?;
    let connection = server.connect();
    // What the first submission of all sets up is not the array's.
    connection.post("/runs", &json!({ "name": "one", "job": job::realistic(0) }))?;
    let before = settled(&server)?;
    let run = json!({ "name": "million", "job": job::realistic(1), "count": ELEMENTS });
    let began = Instant::now();
    connection.post("/runs", &run)?;
    let took = began.elapsed();
    let after = settled(&server)?;
    let queued = connection.get("/status")?["queued_elements"].clone();
    ensure!(queued == ELEMENTS + 1, "{queued} elements are queued, not {}", ELEMENTS + 1);
    let more = after as f64 - before as f64;
    let figures = vec![
        Figure::new("memory_queued_array", more / ELEMENTS as f64, "bytes/element")
            .target(Target::Below(1.0))
            .with("resident_before", before)
            .with("resident_after", after),
        Figure::new("memory_queued_array_whole", more / 1024.0, "KiB"),
        Figure::new("array_1000000_accepted", took.as_secs_f64() * 1000.0, "ms"),
    ];
    report.add("memory_queued_array", figures, None)
}

/// The server's memory, once it does not change any more.
fn settled(server: &Server) -> Result<u64> {
    let pid = server.pid()?;
    let (mut value, mut since) = (resident_bytes(pid)?, Instant::now());
    let deadline = since + STILL * 30;
    while since.elapsed() < STILL && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
        let now = resident_bytes(pid)?;
        if now.abs_diff(value) > NOTHING {
            (value, since) = (now, Instant::now());
        }
    }
    resident_bytes(pid)
}

fn restart(server: &mut Server) -> Result<Duration> {
    server.cluster.kill_controller()?;
    let host = server.cluster.address().to_string();
    let began = Instant::now();
    server.cluster.launch()?;
    loop {
        // Until it listens, there is no answer at all.
        let answer = server.cluster.request("GET /readyz", &[("Host", &host)], b"");
        if answer.is_ok_and(|answer| answer.status == 200) {
            break;
        }
        ensure!(
            began.elapsed() < STILL * 60,
            "the server does not come back; its log:\n{}",
            server.cluster.log()
        );
        thread::sleep(Duration::from_millis(1));
    }
    let took = began.elapsed();
    server.enter()?;
    Ok(took)
}
