//! The scheduler's core: decides what runs where, on how many machines, within which quota.
//!
//! It reads no clock, does no I/O, starts no thread and awaits nothing: a driver hands it values and does
//! what it says. The same core runs in a cluster, in a simulator, and inside other programs.
//!
//! ```text
//! Input -> Core::step(now, input) -> [leader: plan -> commands] -> log -> committed -> State::apply
//!       -> Effects -> driver (disk, wire, provider, process, clock) -> Input ...
//! ```

pub mod command;
pub mod consensus;
pub mod controllers;
mod core;
pub mod effect;
pub mod event;
pub mod forecast;
pub mod ids;
pub mod index;
pub mod input;
pub mod limits;
mod loaded;
pub mod message;
pub mod mutants;
pub mod pages;
pub mod plan;
mod reactor;
pub mod record;
pub mod refusal;
pub mod resources;
pub mod state;
pub mod time;
pub mod version;
pub mod watch;

pub use crate::core::{Core, Member};
pub use effect::{Effect, Outcome};
pub use input::{Input, ProviderEvent};
pub use limits::Limits;
pub use loaded::Loaded;
pub use refusal::Refusal;
pub use state::State;
