//! The simulator.

pub mod clock;
pub mod cloud;
pub mod disk;
pub mod engine;
pub mod network;
pub mod provider;
pub mod queue;
pub mod random;
pub mod worker;
