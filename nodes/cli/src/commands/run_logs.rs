//! `tidegate run logs`.

use crate::client::Client;
use crate::failure::Failure;
use crate::interrupt;
use crate::log::{self, Which};
use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  tidegate run logs NAME                 what it has printed
  tidegate run logs -f NAME              and what it prints from now on, until it has ended
  tidegate run logs NAME --element 7     of one element of an array
  tidegate run logs NAME --only stderr

What the run printed on its standard error goes to ours.";

/// Which log.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Logs {
    /// The run
    name: String,
    /// Go on with what is printed later, until the run has ended
    #[arg(short, long)]
    follow: bool,
    /// One element of an array
    #[arg(long, value_name = "N")]
    element: Option<u32>,
    /// One of its two outputs
    #[arg(long, value_enum)]
    only: Option<Only>,
}

/// One of a run's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    /// What it prints
    Stdout,
    /// What it complains of
    Stderr,
}

impl Logs {
    pub(crate) fn run(&self, client: &Client) -> Result<(), Failure> {
        if self.follow {
            interrupt::detach_with(format!(
                "the run goes on; `tidegate run logs -f {}` shows it again",
                self.name
            ))?;
        }
        match self.only {
            None => log::print_both(client, &self.name, self.element, self.follow),
            Some(Only::Stdout) => {
                log::print_log(client, &self.name, Which::Stdout, self.element, self.follow)
            }
            Some(Only::Stderr) => {
                log::print_log(client, &self.name, Which::Stderr, self.element, self.follow)
            }
        }
    }
}
