//! The agent and the keeper as a program of their own, for tests and measurements: on a node they are `tidegate worker`
//! and `tidegate keeper`.
//!
//! `tidegate-agent agent CONFIG` or `tidegate-agent keeper --folder FOLDER --node NODE`

use std::{fmt::Display, path::Path, process::ExitCode};

use tidegate_worker::{WorkerConfig, keeper, run};

fn main() -> ExitCode {
    let level = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).with_ansi(false).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["agent", config] => end(WorkerConfig::load(Path::new(config)).and_then(run)),
        ["keeper", "--folder", folder, "--node", node] => {
            end(keeper::run(keeper::KeeperConfig::new(*folder, *node)))
        }
        _ => {
            eprintln!("usage: tidegate-agent agent CONFIG | keeper --folder FOLDER --node NODE");
            ExitCode::from(2)
        }
    }
}

fn end<T, E: Display>(result: Result<T, E>) -> ExitCode {
    match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
