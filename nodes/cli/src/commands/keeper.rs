//! `tidegate keeper`: what a worker starts to own its runs.

use super::up::log_to_stderr;
use crate::failure::Failure;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use tidegate_worker::keeper::{self, KeeperConfig};

/// Whose.
#[derive(Debug, Args)]
pub(crate) struct Keeper {
    /// The node's folder
    #[arg(long)]
    folder: PathBuf,
    /// The node's name
    #[arg(long)]
    node: String,
    /// Milliseconds to stay without an attempt and without an agent
    #[arg(long)]
    linger_ms: Option<u64>,
    /// Leave cgroups alone
    #[arg(long)]
    no_cgroups: bool,
}

impl Keeper {
    pub(crate) fn run(self) -> Result<(), Failure> {
        log_to_stderr();
        let mut config = KeeperConfig::new(self.folder, self.node);
        if let Some(linger) = self.linger_ms {
            config.linger = Duration::from_millis(linger);
        }
        config.cgroups = !self.no_cgroups;
        keeper::run(config).map_err(|error| anyhow::Error::from(error).into())
    }
}
