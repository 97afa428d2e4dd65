//! `tidegate worker run`: what a local node's process is.

use super::up::log_to_stderr;
use crate::failure::Failure;
use clap::Args;
use std::path::PathBuf;
use tidegate_worker::WorkerConfig;

/// Where its configuration is.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The worker's configuration, in TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Run {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        log_to_stderr();
        let config = WorkerConfig::load(&self.config).map_err(anyhow::Error::from)?;
        let reason = tidegate_worker::run(config).map_err(anyhow::Error::from)?;
        tracing::info!(?reason, "the worker ends");
        Ok(())
    }
}
