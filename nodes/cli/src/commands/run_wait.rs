//! `tidegate run wait`.

use crate::client::Client;
use crate::failure::Failure;
use crate::follow;
use crate::output::Format;
use clap::Args;

/// Which run.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The run
    name: String,
}

impl Wait {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let status = follow::wait(client, &self.name, false)?;
        format.print(&status, |_| String::new())?;
        follow::conclude(&status)
    }
}
