//! The controller is killed again and again while clients submit.

use std::{
    process::Command,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rand::{Rng, rngs::StdRng};
use tidegate_tests::{Cluster, Tally, chance, wait};

use crate::{
    clients::{Seen, submit, submit_by_hand, wait_by_hand},
    load, verdict,
};

const KILLS: usize = 20;
const RUNS: usize = 500;
/// Runs that may be submitted after each kill: the load lasts as long as the kills do.
const BATCH: usize = RUNS / KILLS;
const SUBMITTERS: usize = 3;
/// One in so many runs is submitted by the command line.
const BY_HAND: usize = 5;
/// One in so many runs is waited for by who has submitted it.
const WAITED_FOR: usize = 40;

/// The server, which one thread kills, and the others make commands for.
struct Shared(Mutex<Cluster>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self) -> Command {
        self.lock().command()
    }
}

/// Who comes next, and how many may have come so far.
struct Gate {
    next: AtomicUsize,
    open: AtomicUsize,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate { next: AtomicUsize::new(0), open: AtomicUsize::new(BATCH) }
    }
}

impl Gate {
    fn open(&self, count: usize) {
        self.open.fetch_max(count, Ordering::AcqRel);
    }

    /// The next number, once it may come; `None` after the last.
    fn pass(&self) -> Option<usize> {
        let at = self.next.fetch_add(1, Ordering::AcqRel);
        while at < RUNS && at >= self.open.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(5));
        }
        (at < RUNS).then_some(at)
    }
}

#[test]
fn a_controller_killed_twenty_times_under_load_loses_and_doubles_nothing() -> Result<()> {
    let mut chance = chance("a controller killed twenty times")?;
    let cluster = Cluster::up()?;
    cluster.apply(&load::pool(4))?;
    let tally = Tally::new(&cluster.home().path().join("tally"))?;
    let caller = cluster.caller()?;
    let mut runs = load::lasting();
    for run in &runs {
        submit(&caller, &tally, run)?;
    }
    for run in &runs {
        cluster.wait_for_state(&run.name, "Running")?;
    }
    let folder = cluster.home().path().to_owned();
    let short = load::short(RUNS, &mut chance);
    runs.extend(short.iter().cloned());

    let shared = Shared(Mutex::new(cluster));
    let command = || shared.command();
    let gate = Gate::default();
    let stop = AtomicBool::new(false);
    let seen = Seen::default();
    thread::scope(|scope| -> Result<()> {
        let watcher = scope.spawn(|| seen.watch(&caller, &tally, &stop));
        // It waits through all the crashes.
        let patient = scope.spawn(|| wait_by_hand(&command, "lasts-0"));
        let submitters: Vec<_> = (0..SUBMITTERS)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    while let Some(at) = gate.pass() {
                        match at % BY_HAND {
                            0 => submit_by_hand(&command, &folder, &tally, &short[at])?,
                            _ => submit(&caller, &tally, &short[at])?,
                        }
                        if at % WAITED_FOR == 0 {
                            wait_by_hand(&command, &short[at].name)?;
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        let killed = kill_and_restart(&shared, &gate, &tally, &mut chance);
        gate.open(RUNS);
        let submitted: Vec<Result<()>> = submitters.into_iter().map(joined).collect();
        let ended = tally.release().and_then(|()| verdict::wait_for_all(&caller, &runs));
        stop.store(true, Ordering::Release);
        let watched = joined(watcher);
        killed?;
        submitted.into_iter().collect::<Result<()>>()?;
        ended?;
        watched?;
        joined(patient)
    })?;

    verdict::each_ran_once(&caller, &tally, &runs)?;
    verdict::nothing_ran_again(&caller, &tally, &seen.into_runs(), &runs)
}

fn joined(thread: thread::ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Kills the server at random moments of its life, its start among them, and starts it again at once.
fn kill_and_restart(shared: &Shared, gate: &Gate, tally: &Tally, chance: &mut StdRng) -> Result<()> {
    let mut caught = Vec::new();
    for kill in 1..=KILLS {
        let while_starting = kill > 1 && chance.random_bool(0.25);
        let longest = if while_starting { 300 } else { 1500 };
        if !while_starting {
            ready(shared)?;
        }
        thread::sleep(Duration::from_millis(chance.random_range(0..longest)));
        let mut cluster = shared.lock();
        cluster.kill_controller()?;
        caught.push(tally.at_work("short-")?);
        gate.open(BATCH * (kill + 1));
        cluster.launch()?;
    }
    println!("short commands at work at each kill, beside the lasting ones: {caught:?}");
    assert!(caught.iter().any(|count| *count > 0), "no kill came while short commands ran");
    ready(shared)
}

/// Waits until the server takes requests.
fn ready(shared: &Shared) -> Result<()> {
    let (url, address) = {
        let cluster = shared.lock();
        (cluster.url(), cluster.address().to_string())
    };
    let ready = wait::until(&format!("the server at {url} to be ready"), || {
        let answer = shared.lock().request("GET /readyz", &[("Host", &address)], b"")?;
        Ok((answer.status == 200).then_some(()))
    });
    ready.with_context(|| format!("its log:\n{}", shared.lock().log()))
}
