//! The simulator: the real core of several controllers, with virtual clocks, network, disks, provider of VMs, workers
//! and clients, on one thread and from one seed.
//!
//! A play has two phases. First anything may fail, as the seed has drawn it, and every promise in `checkers/` is
//! checked after each entry. Then a quorum is healed, what is outside of it stays broken for ever, and what
//! `liveness/` demands must come to pass.
//!
//! [`clock`], [`queue`], [`engine`], [`random`], [`cloud`], [`provider`], [`worker`] and [`workload`] know nothing of
//! networks, disks and replicas: capacity planning stands on the same parts.

pub mod clock;
pub mod cloud;
pub mod coverage;
pub mod disk;
pub mod engine;
pub mod faults;
pub mod network;
pub mod options;
pub mod provider;
pub mod queue;
pub mod random;
pub mod swarm;
pub mod sweep;
pub mod verdict;
pub mod worker;
pub mod workload;

mod checkers;
mod controller;
#[cfg(test)]
mod example;
mod history;
mod liveness;
mod naive;
mod play;
mod record;
mod reference;
mod shrink;
mod world;

pub use coverage::{Coverage, Mark};
pub use faults::FaultKind;
pub use options::{Options, parse_ranges};
pub use play::{Played, play};
pub use record::{Parity, RecordError, replay_record};
pub use shrink::shrink;
pub use sweep::{Sweep, Tally};
pub use verdict::Verdict;

/// Plays a seed and keeps the ordered log of all that happens.
pub fn replay(seed: u64, options: &Options) -> Played {
    play(seed, &Options { log: true, ..options.clone() })
}
