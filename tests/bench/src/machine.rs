//! What the machine can do at this moment: beside every figure, since others may be using it.

use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

use crate::bare;

/// Bare processes a second, one at a time, below which a machine like the one the targets were set on is not quiet.
const QUIET: f64 = 1_500.0;
/// How many are started to find out.
const PROBES: u64 = 400;

/// What the machine could do before and after a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    before: f64,
    after: f64,
    load: f64,
}

impl Machine {
    /// Measures something, and the machine around it.
    pub(crate) fn around<T>(measure: impl FnOnce() -> Result<T>) -> Result<(T, Machine)> {
        let load = load();
        let before = spawn_rate()?;
        let measured = measure()?;
        Ok((measured, Machine { before, after: spawn_rate()?, load }))
    }

    /// For people, after a figure.
    pub(crate) fn line(&self) -> String {
        let word = if self.is_quiet() { "quiet" } else { "NOISY" };
        format!("[{word}: {:.0}, {:.0} spawns/s before, after]", self.before, self.after)
    }

    /// For programs.
    pub(crate) fn context(&self) -> Value {
        json!({
            "quiet": self.is_quiet(),
            "spawns_per_second_before": self.before.round(),
            "spawns_per_second_after": self.after.round(),
            "load_at_start": self.load,
            "cpus": std::thread::available_parallelism().map_or(0, |count| count.get()),
        })
    }

    fn is_quiet(&self) -> bool {
        self.before >= QUIET && self.after >= QUIET
    }
}

fn spawn_rate() -> Result<f64> {
    let began = Instant::now();
    bare::spawn_all(1, PROBES)?;
    Ok(PROBES as f64 / began.elapsed().as_secs_f64())
}

/// The load of the last minute, as the system tells it.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}
