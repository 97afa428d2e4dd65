//! One fail-over, measured.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};

use super::backlog::Backlog;
use crate::{Replicas, faults::Paused, percentile};

/// What happens to the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is killed by SIGKILL.
    Kill,
    /// It is stopped by SIGSTOP, and goes on once another one has taken over.
    Stop,
    /// Its host is cut off from all others, in both directions, and joined again once another one has taken over.
    Cut,
}

/// How long it took, from just before the fault.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// Until another one led.
    pub leads: Duration,
    /// Until the first command was started that was decided under its term.
    pub started: Duration,
}

/// Of many measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// The middle one.
    pub p50: Duration,
    /// One in a hundred is longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Fault::Kill => "SIGKILL",
            Fault::Stop => "SIGSTOP",
            Fault::Cut => "cut network",
        })
    }
}

/// Makes the fault, waits for the first command under the next term, undoes the fault, and waits until all controllers have
/// caught up.
///
/// # Errors
/// No other one leads, no command is started, or the faulty one does not come back.
pub fn fail_over(replicas: &mut Replicas, backlog: &mut Backlog, fault: Fault) -> Result<Took> {
    let before = replicas.wait_for_all()?;
    backlog.stamps.take()?;
    backlog.stamps.wait_for_any().context("before the fault")?;
    let at = SystemTime::now();
    let mut stopped: Option<Paused> = None;
    match fault {
        Fault::Kill => replicas.kill(before.at)?,
        Fault::Stop => stopped = Some(replicas.pause(before.at)?),
        Fault::Cut => replicas.hosts().context("there is no network to cut")?.cut_off(before.at)?,
    }
    let lead = replicas.wait_for_lead_after(before.term)?;
    let first = backlog.stamps.wait_for_first_after(lead.index).context("after the fault")?;
    match fault {
        Fault::Kill => replicas.start(before.at)?,
        Fault::Stop => stopped.map_or(Ok(()), Paused::resume)?,
        Fault::Cut => replicas.hosts().map_or(Ok(()), |hosts| hosts.heal())?,
    }
    replicas.wait_for_all()?;
    Ok(Took { leads: since(lead.when, at), started: since(first.at, at) })
}

fn since(later: SystemTime, earlier: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}

impl Spread {
    /// Of some durations.
    ///
    /// # Panics
    /// There are none.
    pub fn of(all: impl IntoIterator<Item = Duration>) -> Spread {
        let mut seconds: Vec<f64> = all.into_iter().map(|one| one.as_secs_f64()).collect();
        let [p50, p99, max] =
            [50, 99, 100].map(|share| Duration::from_secs_f64(percentile(&mut seconds, share)));
        Spread { p50, p99, max }
    }
}

/// Prints what came out, for people.
pub fn tell(fault: Fault, all: &[Took]) {
    let line = |what: &str, of: fn(&Took) -> Duration| {
        let Spread { p50, p99, max } = Spread::of(all.iter().map(of));
        println!("{fault:12} {what:34} p50 {p50:8.3?}  p99 {p99:8.3?}  max {max:8.3?}  of {}", all.len());
    };
    line("until another one leads", |took| took.leads);
    line("until the first command under it", |took| took.started);
}
