//! Whether what clients are told is durable: a sync lies between every submission and its acknowledgement, and between
//! every command's start and the moment when a client is told its result. Seen in a trace of the server's system calls.

use std::{fs, thread, time::SystemTime};

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::{
    job, latency,
    report::{Figure, Report, Target},
    server::Server,
    syscalls::{Seen, Tracer},
};

/// Runs that are submitted and waited for, one after the other.
const RUNS: u64 = 100;
/// Connections that submit at the same time, ...
const CONNECTIONS: u64 = 8;
/// ... and what each of them submits.
const EACH: u64 = 100;

/// Measures and reports, or says why not.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    report.title(
        "Syncs before acknowledgements and results, by a trace of the server's system calls (which slows it)",
    );
    let server = Server::start()?;
    server.warm_node()?;
    let trace = server.file("trace");
    let tracer = match Tracer::attach(server.pid()?, &trace) {
        Ok(tracer) => tracer,
        Err(error) => {
            report.skipped("durable", &format!("{error:#}"));
            return Ok(());
        }
    };
    let starts = one_after_the_other(&server)?;
    let seen = tracer.detach()?;
    let acknowledged = acknowledged(&seen);
    let unsynced = acknowledged.iter().filter(|(from, to)| !is_synced(&seen, *from, *to)).count();
    let told = told(&seen);
    ensure!(
        acknowledged.len() as u64 == RUNS,
        "{} acknowledgements were seen, not {RUNS}",
        acknowledged.len()
    );
    ensure!(told.len() as u64 == RUNS, "{} results were seen, not {RUNS}", told.len());
    let lost = starts.iter().zip(&told).filter(|(from, to)| !is_synced(&seen, **from, **to)).count();

    let tracer = Tracer::attach(server.pid()?, &trace)?;
    all_at_once(&server)?;
    let seen = tracer.detach()?;
    let at_once = self::acknowledged(&seen);
    let unsynced = unsynced + at_once.iter().filter(|(from, to)| !is_synced(&seen, *from, *to)).count();
    let between = |from: f64, to: f64| {
        let within = |seen: &&Seen| matches!(seen, Seen::Synced { from: began, to: ended } if *began >= from && *ended <= to);
        seen.iter().filter(within).count() as f64
    };
    let (first, last) = at_once
        .iter()
        .fold((f64::MAX, 0.0_f64), |(first, last), (from, to)| (first.min(*from), last.max(*to)));
    let syncs = between(first, last);
    let figures = vec![
        Figure::new("durable_unsynced_acknowledgements", unsynced as f64, "submissions")
            .target(Target::Below(1.0))
            .with("seen", acknowledged.len() + at_once.len()),
        Figure::new("durable_unsynced_results", lost as f64, "results")
            .target(Target::Below(1.0))
            .with("seen", told.len()),
        Figure::new("durable_submissions_per_sync", at_once.len() as f64 / syncs, "submissions/sync")
            .with("connections", CONNECTIONS),
        Figure::new("durable_syncs_per_second", syncs / (last - first), "syncs/s")
            .with("slowed_by", "strace"),
    ];
    report.add("durable", figures, None)
}

/// When each command started, in seconds since 1970.
fn one_after_the_other(server: &Server) -> Result<Vec<f64>> {
    let stamps = server.file("stamps");
    let command = format!("{} {}", latency::stamp_program(server)?.display(), stamps.display());
    let connection = server.connect();
    for number in 0..RUNS {
        let name = format!("durable-{number}");
        connection.post("/runs", &json!({ "name": name, "job": job::smallest(&command) }))?;
        latency::ended_well(&connection, &name)?;
    }
    let bytes = fs::read(&stamps).context("the commands have written no stamps")?;
    let ahead = clocks_apart()?;
    let seconds = |stamp: &[u8; 8]| u64::from_le_bytes(*stamp) as f64 / 1e9 + ahead;
    Ok(bytes.as_chunks::<8>().0.iter().map(seconds).collect())
}

/// What is to be added to the monotonic clock to get the time of day.
fn clocks_apart() -> Result<f64> {
    let monotonic = clock_gettime(ClockId::Monotonic);
    let day = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(day.as_secs_f64() - (monotonic.tv_sec as f64 + monotonic.tv_nsec as f64 / 1e9))
}

fn all_at_once(server: &Server) -> Result<()> {
    thread::scope(|scope| {
        let start = |part: u64| {
            let connection = server.connect();
            scope.spawn(move || {
                (0..EACH).try_for_each(|number| {
                    let run = json!({ "name": format!("at-once-{part}-{number}"), "job": job::smallest("/bin/true") });
                    connection.post("/runs", &run).map(drop)
                })
            })
        };
        let threads: Vec<_> = (0..CONNECTIONS).map(start).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(done) => done,
            Err(_) => anyhow::bail!("a thread that submits has panicked"),
        })
    })
}

/// Of every acknowledged submission, when the last of it was received and when the answer went.
fn acknowledged(seen: &[Seen]) -> Vec<(f64, f64)> {
    let of = |(at, one): (usize, &Seen)| match one {
        Seen::Answered { fd, at: to, text } if text.contains("HTTP/1.1 201") => {
            let received = seen[..at].iter().rev().find_map(|earlier| match earlier {
                Seen::Received { fd: on, at: from } if on == fd => Some(*from),
                _ => None,
            });
            // Of an answer to nothing, no sync can be found.
            Some((received.unwrap_or(*to), *to))
        }
        _ => None,
    };
    seen.iter().enumerate().filter_map(of).collect()
}

/// When a client was told of each end.
fn told(seen: &[Seen]) -> Vec<f64> {
    let of = |one: &Seen| match one {
        Seen::Answered { at, text, .. } if text.contains(r#"\"state\":\"Completed\""#) => Some(*at),
        _ => None,
    };
    seen.iter().filter_map(of).collect()
}

/// Whether a sync began and ended between two moments.
fn is_synced(seen: &[Seen], from: f64, to: f64) -> bool {
    seen.iter()
        .any(|one| matches!(one, Seen::Synced { from: began, to: ended } if *began >= from && *ended <= to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_counts_only_if_it_lies_between() {
        let answered = |fd, at| Seen::Answered { fd, at, text: "HTTP/1.1 201".to_owned() };
        let seen = [
            Seen::Received { fd: 1, at: 1.0 },
            Seen::Received { fd: 2, at: 2.0 },
            Seen::Synced { from: 1.5, to: 2.5 },
            answered(1, 3.0),
            answered(2, 3.0),
        ];
        let all = acknowledged(&seen);
        assert_eq!(all, [(1.0, 3.0), (2.0, 3.0)]);
        assert!(is_synced(&seen, 1.0, 3.0));
        assert!(!is_synced(&seen, 2.0, 3.0));
    }
}
