//! `tidegate sim fuzz`.

use super::ended;
use super::left_out::LeftOut;
use crate::failure::Failure;
use crate::output::{Format, note};
use crate::table::span;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tidegate_sim::{Mark, Options, Played, Sweep, Tally};

/// How often it is told how far a sweep has come.
const TELL: Duration = Duration::from_secs(5);
/// A sweep of so many seeds, with nothing left out, must have seen what a sweep has to see.
const WHOLE: u64 = 500;

const EXAMPLES: &str = "\
Examples:
  tidegate sim fuzz --seeds 1000                    seeds 0 to 999, on all cores
  tidegate sim fuzz --seeds 1000 --first 5000000    others
  tidegate sim fuzz --minutes 60 --first 1000000    as many as an hour has time for
  tidegate sim fuzz --seeds 200 --without disk.bit-rot,disk.lost

Each seed plays a whole cluster, with everything that may go wrong, in virtual time. A failure is
printed with its seed and the one command that plays it again.

Exit codes: 0 every promise was kept; of the first seed that failed 127 crashed, 128 stuck, 129 wrong;
128 too when a sweep of 500 seeds or more, with nothing left out, never came to what it has to see.";

/// Which seeds, and how.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Fuzz {
    /// How many seeds
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..),
        required_unless_present = "minutes"
    )]
    seeds: Option<u64>,
    /// For how long new seeds are begun; without --seeds as many as there is time for
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// The first one
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    first: u64,
    /// How many are played at a time; as many as there are cores when absent
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Play no more seeds once one has failed
    #[arg(long)]
    stop_at_failure: bool,
    #[command(flatten)]
    left_out: LeftOut,
}

/// What a program learns of a sweep.
#[derive(Serialize)]
struct Summary {
    seeds: u64,
    failed: Vec<Failed>,
    seen: BTreeMap<&'static str, u64>,
    missing: Vec<String>,
    events: u64,
    requests: u64,
    commands: u64,
    simulated_hours: f64,
    seconds: f64,
    simulated_hours_per_second: f64,
}

#[derive(Serialize)]
struct Failed {
    seed: u64,
    exit_code: i32,
    failure: String,
    replay: String,
}

impl Fuzz {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let options = self.left_out.options()?;
        let usual = options == Options::default();
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.map_or_else(cores, usize::from);
        let sweep = Arc::new(Sweep::new(self.first, self.seeds.unwrap_or(u64::MAX), options));
        let interrupted = stop_on_interrupt(&sweep)?;
        let begun = Instant::now();
        let (told, played) = channel();
        let tally = std::thread::scope(|scope| {
            for _ in 0..threads {
                let (sweep, told) = (&sweep, told.clone());
                scope.spawn(move || {
                    while let Some(played) = sweep.play_next() {
                        // Who adds up leaves last.
                        let _ = told.send(played);
                    }
                });
            }
            drop(told);
            self.add_up(&played, &sweep, begun)
        });
        let summary = Summary::of(&tally, begun.elapsed());
        format.print(&summary, |summary| summary.page(&tally))?;
        if interrupted.load(Ordering::Relaxed) {
            return Err(Failure::Interrupted);
        }
        match tally.exit_code(usual && tally.plays >= WHOLE) {
            0 => Ok(()),
            code => Err(ended(code)),
        }
    }

    fn add_up(&self, played: &Receiver<Played>, sweep: &Sweep, begun: Instant) -> Tally {
        let mut tally = Tally::default();
        let mut tell = begun + TELL;
        let end = self.minutes.map(|minutes| begun + Duration::from_secs(60 * minutes));
        loop {
            if end.is_some_and(|end| end <= Instant::now()) {
                sweep.stop();
            }
            match played.recv_timeout(tell.saturating_duration_since(Instant::now())) {
                Ok(played) => {
                    if !played.verdict.is_kept() {
                        note(format_args!("{played}\n"));
                        if self.stop_at_failure {
                            sweep.stop();
                        }
                    }
                    tally.add(played);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let of = self.seeds.map(|seeds| format!(" of {seeds}")).unwrap_or_default();
                    note(format_args!("{}{of}: {tally}, after {}", tally.plays, took(begun)));
                    tell = Instant::now() + TELL;
                }
                Err(RecvTimeoutError::Disconnected) => return tally,
            }
        }
    }
}

fn took(begun: Instant) -> String {
    span(begun.elapsed().as_secs_f64())
}

/// The first Ctrl-C ends the sweep with the seeds that are being played; the next one ends it at once.
fn stop_on_interrupt(sweep: &Arc<Sweep>) -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let (sweep, seen) = (sweep.clone(), interrupted.clone());
    let stop = move || {
        sweep.stop();
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Failure::Interrupted.code()));
        }
        note("\nstopping once the seeds that are being played have ended; Ctrl-C again stops at once");
    };
    ctrlc::set_handler(stop)
        .map_err(|error| anyhow::Error::from(error).context("cannot listen for Ctrl-C"))?;
    Ok(interrupted)
}

impl Summary {
    fn of(tally: &Tally, took: Duration) -> Summary {
        let failed = |played: &Played| Failed {
            seed: played.seed,
            exit_code: played.verdict.exit_code(),
            failure: played.verdict.to_string(),
            replay: played.replay_command(),
        };
        let seconds = took.as_secs_f64();
        Summary {
            seeds: tally.plays,
            failed: tally.failed.iter().map(failed).collect(),
            seen: Mark::ALL.iter().map(|mark| (mark.words(), tally.coverage.count(*mark))).collect(),
            missing: tally.coverage.missing(),
            events: tally.events,
            requests: tally.requests,
            commands: tally.commands,
            simulated_hours: tally.hours(),
            seconds,
            simulated_hours_per_second: tally.hours() / seconds.max(f64::EPSILON),
        }
    }

    fn page(&self, tally: &Tally) -> String {
        let mut page = tally.coverage.to_string();
        if !self.missing.is_empty() {
            page.push_str(&format!("never seen: {}\n", self.missing.join(", ")));
        }
        for failed in &self.failed {
            page.push_str(&format!("exit {}: {}\n", failed.exit_code, failed.replay));
        }
        page.push_str(&format!(
            "{tally}; {} of wall time: {:.2} simulated hours a wall second",
            span(self.seconds),
            self.simulated_hours_per_second
        ));
        page
    }
}
