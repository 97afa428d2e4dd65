//! Submissions that a majority of the controllers has synced before they are acknowledged: with 1, 3 and 5 controllers,
//! one at a time, over many connections, and in batches; beside what the disk can sync.

use std::{
    fs::File,
    io::{Seek, Write},
    ops::Range,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tidegate_tests::{Replicas, wait};

use crate::{
    connection::Connection,
    job,
    machine::Machine,
    report::{Figure, Report},
    server::POOL,
};

const SIZES: [usize; 3] = [1, 3, 5];
/// Submissions one after another, over one connection.
const ONE_AT_A_TIME: u64 = 1_000;
/// Connections that submit at once, ...
const CONNECTIONS: u64 = 32;
/// ... and what each of them submits.
const EACH: u64 = 200;
/// Runs in a batch, ...
const BATCH: u64 = 1_000;
/// ... and batches.
const BATCHES: u64 = 20;
/// How long the disk is measured.
const DISK: Duration = Duration::from_secs(2);
/// As many bytes as the log writes for a small submission.
const ENTRY: usize = 512;
/// So many of them fit into the file that is synced.
const ENTRIES: usize = 20_000;

/// Measures and reports.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    report.title(
        "Acknowledged submissions, each synced by a majority, with 1, 3 and 5 controllers on this machine",
    );
    let (mut all, mut last) = (Vec::new(), None);
    for size in SIZES {
        let mut replicas = Replicas::found(size)?;
        replicas.start_all()?;
        let cluster = Leader::of(&replicas)?;
        let (figures, machine) = Machine::around(|| cluster.figures(size, replicas.home().path()))?;
        all.extend(figures.into_iter().map(|figure| figure.with("machine", machine.context())));
        all.extend(cluster.per_sync(report, size, &replicas)?);
        last = Some(machine);
        replicas.finish()?;
    }
    report.add("quorum", all, last.as_ref())
}

/// The leader of a cluster with a pool that never gets a node.
struct Leader {
    connection: Connection,
    server: String,
    token: String,
    pid: i32,
    data: String,
}

impl Leader {
    fn of(replicas: &Replicas) -> Result<Leader> {
        let at = replicas.leader()?.at;
        let (server, token) =
            (format!("http://{}", replicas.caller(at).address()), replicas.token().to_owned());
        let connection = Connection::new(&server, &token);
        let pool = json!({ "type": "amlcompute", "size": "Standard_F64s_v2", "max_instances": 1 });
        connection.put(&format!("/pools/{POOL}"), &pool)?;
        let family = connection.get(&format!("/pools/{POOL}"))?["family"].clone();
        connection.put("/quotas", &json!({ "family": family, "limit": 0 }))?;
        let data = replicas.data(at).display().to_string();
        Ok(Leader { connection, server, token, pid: replicas.pid(at)?, data })
    }

    fn figures(&self, size: usize, home: &Path) -> Result<Vec<Figure>> {
        let rate = |way: &str, count: u64, took: Duration| {
            Figure::new(format!("quorum_{size}_{way}"), count as f64 / took.as_secs_f64(), "submissions/s")
                .with("controllers", size)
        };
        let disk = syncs_per_second(home)?;
        let one = timed(|| self.one_at_a_time(0..ONE_AT_A_TIME))?;
        let many = timed(|| self.at_once("once"))?;
        let before = self.applied()?;
        let batched = timed(|| self.batched())?;
        let entries = self.applied()? - before;
        Ok(vec![
            Figure::new(format!("quorum_{size}_disk_fdatasync"), disk, "syncs/s").with("bytes", ENTRY),
            rate("one_at_a_time", ONE_AT_A_TIME, one),
            rate("at_once", CONNECTIONS * EACH, many).with("connections", CONNECTIONS),
            rate("batched", BATCHES * BATCH, batched).with("batch", BATCH),
            Figure::new(
                format!("quorum_{size}_batched_submissions_per_entry"),
                (BATCHES * BATCH) as f64 / entries as f64,
                "submissions/entry",
            ),
        ])
    }

    /// How many submissions share one sync of the leader's log; counted in a trace, which slows it.
    fn per_sync(&self, report: &Report, size: usize, replicas: &Replicas) -> Result<Option<Figure>> {
        let trace = replicas.home().path().join("trace");
        let tracer = match trace_syncs(self.pid, &trace) {
            Ok(tracer) => tracer,
            Err(error) => {
                report.skipped(&format!("quorum_{size}_submissions_per_sync"), &format!("{error:#}"));
                return Ok(None);
            }
        };
        let before = self.applied()?;
        self.at_once("traced")?;
        let entries = self.applied()? - before;
        detach(tracer)?;
        let text = std::fs::read_to_string(&trace).context("strace has written nothing")?;
        let log = format!("{}/log/", self.data);
        let syncs = text.lines().filter(|line| line.contains("sync(") && line.contains(&log)).count();
        ensure!(syncs > 0, "no sync of {log} was seen");
        let figure = Figure::new(
            format!("quorum_{size}_submissions_per_sync"),
            (CONNECTIONS * EACH) as f64 / syncs as f64,
            "submissions/sync",
        );
        Ok(Some(figure.with("entries_per_sync", entries as f64 / syncs as f64).with("slowed_by", "strace")))
    }

    fn one_at_a_time(&self, numbers: Range<u64>) -> Result<()> {
        numbers
            .into_iter()
            .try_for_each(|number| self.connection.post("/runs", &run(&format!("one-{number}"))).map(drop))
    }

    fn at_once(&self, name: &str) -> Result<()> {
        thread::scope(|scope| {
            let start = |part: u64| {
                let connection = Connection::new(&self.server, &self.token);
                scope.spawn(move || {
                    (0..EACH).try_for_each(|number| {
                        connection.post("/runs", &run(&format!("{name}-{part}-{number}"))).map(drop)
                    })
                })
            };
            let threads: Vec<_> = (0..CONNECTIONS).map(start).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(done) => done,
                Err(_) => bail!("a thread that submits has panicked"),
            })
        })
    }

    fn batched(&self) -> Result<()> {
        for batch in 0..BATCHES {
            let runs: Vec<Value> = (0..BATCH).map(|number| run(&format!("batch-{batch}-{number}"))).collect();
            let answer = self.connection.post("/runs:batch", &json!({ "runs": runs }))?;
            let items = answer["runs"].as_array().context("a batch is answered run by run")?;
            let refused = items.iter().find(|run| run.get("problem").is_some());
            ensure!(refused.is_none(), "a run of a batch was refused: {refused:?}");
        }
        Ok(())
    }

    /// The last entry of the log.
    fn applied(&self) -> Result<u64> {
        let status = self.connection.get("/status")?;
        status["applied"].as_u64().with_context(|| format!("no entry in {status}"))
    }
}

fn run(name: &str) -> Value {
    json!({ "name": name, "job": job::smallest("/bin/true") })
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed())
}

/// How often a second the disk syncs a few more bytes of one file, whose room is there already, as a log's is.
fn syncs_per_second(folder: &Path) -> Result<f64> {
    let path = folder.join("synced");
    let mut file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(&vec![0; ENTRY * ENTRIES])?;
    file.sync_all()?;
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < DISK {
        if count % ENTRIES == 0 {
            file.rewind()?;
        }
        file.write_all(&[7; ENTRY])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Attaches `strace`, which writes each sync with the file's name.
fn trace_syncs(pid: i32, output: &Path) -> Result<Child> {
    let mut tracer = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fdatasync,fsync", "-p", &pid.to_string(), "-o"])
        .arg(output)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start strace")?;
    let attached = wait::until("strace to attach", || {
        if let Some(status) = tracer.try_wait()? {
            return Ok(Some(Err(anyhow::anyhow!("strace cannot attach: {status}"))));
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let traced = status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"));
        Ok(traced.then_some(Ok(())))
    })?;
    attached.map(|()| tracer)
}

fn detach(mut tracer: Child) -> Result<()> {
    kill_process(Pid::from_child(&tracer), Signal::INT)?;
    tracer.wait()?;
    Ok(())
}
