//! From just before a submission to the first instruction of its command, on a node that is up and idle.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tidegate_tests::percentile;

use crate::{
    connection::Connection,
    job,
    machine::Machine,
    report::{Figure, Report, Target},
    server::Server,
};

/// How many submissions.
const SAMPLES: u64 = 200;
/// How long nothing happens between two of them, nor right after one: to ask for its end at once would be measured too.
const PAUSE: Duration = Duration::from_millis(30);

/// Measures and reports.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    report.title("From the submission to the command's first instruction, the node idle, 200 times");
    let server = Server::start()?;
    server.warm_node()?;
    let stamp = stamp_program(&server)?;
    let stamps = server.file("stamps");
    let command = format!("{} {}", stamp.display(), stamps.display());
    let connection = server.connect();

    let (floor, machine) = Machine::around(|| samples(&stamps, |_| spawn(&stamp, &stamps)))?;
    report.add("spawn_to_start", figures("spawn_to_start", floor, None), Some(&machine))?;

    let (over_connection, machine) = Machine::around(|| {
        samples(&stamps, |number| {
            let name = format!("connection-{number}");
            let run = json!({ "name": name, "job": distinct(&command, number) });
            let began = now();
            connection.post("/runs", &run)?;
            thread::sleep(PAUSE);
            ended_well(&connection, &name)?;
            Ok(began)
        })
    })?;
    let name = "submit_to_start_connection";
    report.add(name, figures(name, over_connection, Some(2.0)), Some(&machine))?;

    let (by_cli, machine) = Machine::around(|| {
        samples(&stamps, |number| {
            let name = format!("cli-{number}");
            let file = server.file("job.json");
            fs::write(&file, distinct(&command, number).to_string())?;
            let mut submit = server.cluster.command();
            submit.args(["submit", "--name", &name]).arg(&file);
            let began = now();
            let output = submit.output().context("cannot start tidegate")?;
            ensure!(output.status.success(), "not submitted: {}", String::from_utf8_lossy(&output.stderr));
            thread::sleep(PAUSE);
            ended_well(&connection, &name)?;
            Ok(began)
        })
    })?;
    report.add("submit_to_start_cli", figures("submit_to_start_cli", by_cli, Some(5.0)), Some(&machine))
}

/// A job whose body no other has: the node has never seen it.
fn distinct(command: &str, number: u64) -> Value {
    let mut job = job::smallest(command);
    job["tags"] = json!({ "sample": number.to_string() });
    job
}

pub(crate) fn ended_well(connection: &Connection, name: &str) -> Result<()> {
    let ended = connection.wait_for_end(name)?;
    ensure!(ended["state"] == "Completed", "the run did not end well: {ended}");
    Ok(())
}

/// Milliseconds from what `submit` gives back, the moment before it submitted, to the command's own stamp.
fn samples(stamps: &Path, mut submit: impl FnMut(u64) -> Result<u64>) -> Result<Vec<f64>> {
    let known = || fs::read(stamps).map_or(0, |bytes| bytes.len());
    let mut all = Vec::new();
    for number in 0..SAMPLES {
        thread::sleep(PAUSE);
        let before = known();
        let began = submit(number)?;
        let bytes = fs::read(stamps).context("the command has written no stamp")?;
        let [stamp] = bytes[before..].as_chunks::<8>().0 else {
            anyhow::bail!("not one stamp, but {:?}", &bytes[before..])
        };
        all.push((u64::from_le_bytes(*stamp) - began) as f64 / 1e6);
    }
    Ok(all)
}

/// The floor: the same command, spawned from here.
fn spawn(stamp: &Path, stamps: &Path) -> Result<u64> {
    let mut command = Command::new(stamp);
    command.arg(stamps);
    let began = now();
    ensure!(command.status()?.success(), "the stamp failed");
    Ok(began)
}

fn figures(name: &str, mut samples: Vec<f64>, target: Option<f64>) -> Vec<Figure> {
    let figure = |share: usize, samples: &mut [f64]| {
        Figure::new(format!("{name}_p{share}"), percentile(samples, share), "ms")
            .with("samples", samples.len())
    };
    let (median, tail) = (figure(50, &mut samples), figure(99, &mut samples));
    let median = match target {
        Some(most) => median.target(Target::Below(most)),
        None => median,
    };
    vec![median, tail]
}

/// The machine's monotonic time, in nanoseconds, as the stamp reads it.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// Puts the stamp, which was built with this program, into a server's temporary folder.
pub(crate) fn stamp_program(server: &Server) -> Result<PathBuf> {
    const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stamp"));
    let path = server.file("stamp");
    fs::write(&path, PROGRAM)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
