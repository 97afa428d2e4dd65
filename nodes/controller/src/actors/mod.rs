//! The actors around the core: one owns the core, one the log, one history, one each worker's link, one each
//! pool's provider. They move values, and decide nothing about runs.

pub(crate) mod core;
pub(crate) mod disk;
mod gathered;
pub(crate) mod history;
pub(crate) mod link;
pub(crate) mod pool;
pub(crate) mod snapshot;
