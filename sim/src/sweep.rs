//! Many seeds. This crate starts no thread: whoever has threads lets each of them play the next seed until there is
//! none, and adds up what they say.

use crate::clock::Micros;
use crate::coverage::Coverage;
use crate::options::Options;
use crate::play::{Played, play};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The seeds to play, handed out one by one to any number of threads.
#[derive(Debug)]
pub struct Sweep {
    next: AtomicU64,
    left: AtomicU64,
    options: Options,
}

impl Sweep {
    /// `count` seeds from `first` on.
    pub fn new(first: u64, count: u64, options: Options) -> Sweep {
        Sweep { next: AtomicU64::new(first), left: AtomicU64::new(count), options }
    }

    /// Plays the next seed on the caller's thread; `None` when all are handed out.
    pub fn play_next(&self) -> Option<Played> {
        let one_less = |left: u64| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).ok()?;
        Some(play(self.next.fetch_add(1, Ordering::Relaxed), &self.options))
    }

    /// No further seed is handed out.
    pub fn stop(&self) {
        self.left.store(0, Ordering::Relaxed);
    }
}

/// What the plays of a sweep came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many were played.
    pub plays: u64,
    /// Those that failed, by seed.
    pub failed: Vec<Played>,
    /// What they came to, together.
    pub coverage: Coverage,
    /// Virtual time, all together.
    pub virtual_time: Micros,
    /// Events, all together.
    pub events: u64,
    /// Requests, all together.
    pub requests: u64,
    /// Commands that clients asked for while things failed, all together.
    pub commands: u64,
}

impl Tally {
    /// Adds one.
    pub fn add(&mut self, played: Played) {
        self.plays += 1;
        self.virtual_time = self.virtual_time.after(played.virtual_time);
        self.events += played.events;
        self.requests += played.requests;
        self.commands += played.commands;
        self.coverage.add(&played.coverage);
        if !played.verdict.is_kept() {
            self.failed.push(played);
            self.failed.sort_by_key(|played| played.seed);
        }
    }

    /// The exit code of the sweep: that of its first failure; 128 if it never came to what it must have seen.
    pub fn exit_code(&self, demand_coverage: bool) -> i32 {
        match self.failed.first() {
            Some(played) => played.verdict.exit_code(),
            None if demand_coverage && !self.coverage.missing().is_empty() => 128,
            None => 0,
        }
    }

    /// Simulated hours.
    pub fn hours(&self) -> f64 {
        self.virtual_time.0 as f64 / 3_600_000_000.0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} seeds played, {} failed; {:.1} simulated hours, {} events, {} requests, {} commands",
            self.plays,
            self.failed.len(),
            self.hours(),
            self.events,
            self.requests,
            self.commands
        )
    }
}
