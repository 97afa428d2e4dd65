//! Real faults for real processes: hosts with a network of their own that can be cut, lose and delay; processes that
//! stand still; clocks that jump; disks that fill up; and clients that remember what they were told.
//!
//! ```no_run
//! # fn story() -> anyhow::Result<()> {
//! use std::{process::Command, time::Duration};
//! use tidegate_tests::faults::Hosts;
//!
//! let Some(hosts) = Hosts::new("a_story", 3)? else { return Ok(()) };
//! let mut server = hosts.host(0).spawn(Command::new("sleep").arg("60"))?;
//! hosts.set_delay(Duration::from_millis(50))?;
//! hosts.set_loss(50)?;
//! hosts.cut_off(0)?;
//! hosts.heal()?;
//! # server.kill()?; server.wait()?;
//! # Ok(()) }
//! ```
//!
//! The network needs root, iproute2, nftables and iptables; clocks need the package faketime; small disks need root.
//! Where something is missing, what needs it says `skipped: STORY: ...` and gives `None`, and the story is to return:
//! unless `TIDEGATE_FAULTS` is `required`, when it is an error.

mod client_model;
mod clock;
mod cut;
mod delay;
mod hosts;
mod loss;
mod namespace;
mod needs;
mod pause;
mod small_disk;
mod verdict;

pub use client_model::{ClientModel, Said, Submission, Try};
pub use clock::{Clock, Faked, with_uptime};
pub use hosts::{Host, Hosts};
pub(crate) use namespace::Namespace;
pub use pause::{Paused, Reach};
pub use small_disk::SmallDisk;
pub use verdict::{Demand, Verdict};
