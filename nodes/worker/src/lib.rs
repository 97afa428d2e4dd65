//! The worker of a node: its agent, and its keeper.
//!
//! ```text
//! controller ◀── QUIC ──▶ agent ◀── unix socket ──▶ keeper ──▶ runs
//!                           │ attempts   what is done about each attempt: values in, values out
//!                           │ actors     the attempts' owner, and the links to controllers
//!                           │ prepare    body, environment, code and inputs, the attempt's folder
//!                           │ finish     logs and outputs stored, the report made
//!                           ▼ link       blobs and live logs over bulk streams
//!                         folder
//! ```
//!
//! The agent may be killed, restarted and upgraded at any moment: the runs are the keeper's, and all else that matters is
//! in the node's folder.

mod actors;
mod attempts;
mod clock;
mod config;
mod environments;
mod error;
mod finish;
mod folder;
mod job;
pub mod keeper;
mod link;
mod prepare;
mod run;
mod threads;

pub use config::{Capacity, Environment, WorkerConfig};
pub use error::WorkerError;
pub use run::{ExitReason, run};
