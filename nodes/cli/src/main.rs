//! `tidegate`: the one binary. Servers, workers and the commands that people type.

mod args;
mod client;
mod cluster;
mod commands;
mod context;
mod failure;
mod follow;
mod interrupt;
mod log;
mod output;
mod server;
mod table;
mod upload;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code())
        }
    }
}
