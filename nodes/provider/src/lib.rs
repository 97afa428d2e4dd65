//! Where VMs come from: the [`Provider`] trait, the provider [`local`] whose nodes are processes on this machine, and
//! the [`catalogue`] of VM sizes.
//!
//! A provider is a driver: it is told which nodes are to be there and sees to it. Which nodes, and when, is decided by
//! the scheduler's core alone.

pub mod catalogue;
pub mod local;
mod provider;

pub use catalogue::Catalogue;
pub use local::{LocalConfig, LocalProvider, LocalSettings};
pub use provider::{NodeOrder, Provider, ProviderError};
