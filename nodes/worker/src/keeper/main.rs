//! The keeper as a program by itself, which this crate's tests start: on a node it is `tidegate keeper`.
//!
//! `tidegate-keeper --folder FOLDER --node NODE [--linger-ms N] [--slot-idle-ms N] [--no-cgroups]`

use std::{process::ExitCode, time::Duration};

use tidegate_worker::keeper::{KeeperConfig, run};

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let Some(config) = config(std::env::args().skip(1)) else {
        eprintln!(
            "usage: tidegate-keeper --folder FOLDER --node NODE [--linger-ms N] [--slot-idle-ms N] [--no-cgroups]"
        );
        return ExitCode::from(2);
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn config(mut arguments: impl Iterator<Item = String>) -> Option<KeeperConfig> {
    let mut config = KeeperConfig::new("", "");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--folder" => config.folder = arguments.next()?.into(),
            "--node" => config.node = arguments.next()?,
            "--linger-ms" => config.linger = Duration::from_millis(arguments.next()?.parse().ok()?),
            "--slot-idle-ms" => config.slot_idle = Duration::from_millis(arguments.next()?.parse().ok()?),
            "--no-cgroups" => config.cgroups = false,
            _ => return None,
        }
    }
    (!config.folder.as_os_str().is_empty() && !config.node.is_empty()).then_some(config)
}
