//! How many runs a second, and what CPU time each takes: as many submissions.

use std::{thread, time::Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidegate_tests::wait;

use crate::{
    connection::Connection,
    job,
    machine::Machine,
    report::Report,
    server::Server,
    throughput::{RUNS, figures},
};

/// Connections over which runs are submitted one by one.
const CONNECTIONS: u64 = 4;
/// Runs in a batch.
const BATCH: u64 = 1_000;

/// 10,000 runs as 10,000 submissions, in batches over one connection and one by one over a few.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    report.title("10,000 submissions of /bin/true, on one node of 64 vCPU, one vCPU each");
    let mut all = Vec::new();
    let mut last = None;
    type Submit = fn(&Server) -> Result<()>;
    let ways: [(&str, Submit); 2] = [("batched", batched), ("one_by_one", one_by_one)];
    for (way, submit) in ways {
        let server = Server::start()?;
        server.warm_node()?;
        let connection = server.connect();
        let before_all = ended(&connection)?;
        let ((accepted, elapsed, used), machine) = Machine::around(|| {
            let (began, before) = (Instant::now(), server.used()?);
            submit(&server)?;
            let accepted = began.elapsed();
            wait::until_within(wait::DEADLINE * 5, "all runs to end", || {
                Ok((ended(&connection)? == before_all + RUNS).then_some(()))
            })?;
            let elapsed = began.elapsed();
            Ok((accepted, elapsed, server.used()?.since(before)))
        })?;
        let failed = connection.get("/runs?state=Failed&limit=1")?;
        ensure!(failed["items"] == json!([]), "not all runs ended well: {failed}");
        let name = format!("singles_10000_{way}");
        let mut figures = figures(&name, elapsed, used, true);
        let rate = RUNS as f64 / accepted.as_secs_f64();
        figures.push(crate::report::Figure::new(format!("{name}_accepted"), rate, "submissions/s"));
        for figure in &mut figures {
            *figure = figure.clone().with("machine", machine.context());
        }
        all.extend(figures);
        last = Some(machine);
    }
    report.add("singles_10000", all, last.as_ref())
}

fn ended(connection: &Connection) -> Result<u64> {
    let status = connection.get("/status")?;
    status["ended_runs"].as_u64().with_context(|| format!("no number of ended runs: {status}"))
}

fn run(number: u64) -> Value {
    json!({ "name": format!("single-{number}"), "job": job::smallest("/bin/true") })
}

fn batched(server: &Server) -> Result<()> {
    let connection = server.connect();
    for first in (0..RUNS).step_by(BATCH as usize) {
        let runs: Vec<Value> = (first..first + BATCH).map(run).collect();
        let answer = connection.post("/runs:batch", &json!({ "runs": runs }))?;
        let refused =
            answer["runs"].as_array().and_then(|runs| runs.iter().find(|run| run.get("problem").is_some()));
        ensure!(refused.is_none(), "a run of a batch was refused: {refused:?}");
    }
    Ok(())
}

fn one_by_one(server: &Server) -> Result<()> {
    thread::scope(|scope| {
        let start = |part: u64| {
            let connection = server.connect();
            scope.spawn(move || {
                let mut mine = (part..RUNS).step_by(CONNECTIONS as usize);
                mine.try_for_each(|number| connection.post("/runs", &run(number)).map(drop))
            })
        };
        let threads: Vec<_> = (0..CONNECTIONS).map(start).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(done) => done,
            Err(_) => anyhow::bail!("a thread that submits has panicked"),
        })
    })
}
