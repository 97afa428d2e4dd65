//! `tidegate up`.

use crate::cluster;
use crate::context::user_folder;
use crate::failure::Failure;
use crate::output::Format;
use crate::server::{self, DEFAULT_HTTP, ServerConfig};
use anyhow::Context as _;
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  tidegate up                     a server and a pool of workers, for this machine alone
  tidegate up --data /srv/tidegate --http 127.0.0.1:9000
  tidegate up --config server.toml
  tidegate up --controllers 3     three controllers, each a process: kill one, and nothing is lost

All that is durable is in the data folder: started again on the same one, the server goes on
where it was, also after it was killed; what was running then is still running. The token that
clients need is in its file `token`, and in a context that the other commands find by themselves.

With --controllers 3 or 5 this process keeps so many others, each with a data folder of its own
(c1, c2, ...) and a log (c1.log, ...). One that dies is started again; one that has lost its data is
replaced by a new one, and its folder is moved aside, not removed. How many there are is decided at
the first start. To spread controllers over machines: `tidegate controller --help`.

The configuration is TOML; every key may be left out:
  environments.NAME = { packages = [\"numpy\"], python = \"3.11\" }    built by uv when needed
  environments.NAME = { venv = \"/path\" }                            one that is there
  sizes = [{ name = \"Big\", family = \"own\", vcpu = 64, memory_mib = 262144, gpus = 0 }]
  retention = { days = 30, runs = 1000000 }
  logs.limit_mib = 256
  http.names = [\"host.example\"]
  workers = { leave_after = 600, pass_environment = [\"LANG\"], uv = \"/usr/bin/uv\" }
  workers.launcher = [\"ip\", \"netns\", \"exec\", \"w{node}\"]    words before a worker's command line";

/// Where, and how.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Up {
    /// The data folder; `tidegate` in $XDG_DATA_HOME when absent
    #[arg(long, value_name = "FOLDER", env = "TIDEGATE_DATA")]
    data: Option<PathBuf>,
    /// Where to listen for commands and requests, 127.0.0.1:8770 when absent; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// How many controllers: 1, 3 or 5; 1 when absent, or what the data folder was started with
    #[arg(long, value_name = "N", value_parser = ["1", "3", "5"])]
    controllers: Option<String>,
    /// The server's configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Up {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        log_to_stderr();
        let config = self.config.as_deref().map(ServerConfig::load).transpose()?.unwrap_or_default();
        let data = match self.data {
            Some(data) => {
                std::path::absolute(&data).with_context(|| format!("cannot use {}", data.display()))?
            }
            None => user_folder("XDG_DATA_HOME", ".local/share")?,
        };
        let wanted = self.controllers.as_deref().map(str::parse).transpose().map_err(anyhow::Error::from)?;
        let http = self.http;
        match how_many(&data, wanted)? {
            1 => {
                let plan = server::Plan { data, http: http.unwrap_or(DEFAULT_HTTP), config, format };
                actix_rt::System::new().block_on(server::live(plan))
            }
            count => {
                let plan = cluster::Plan { data, count, http, config, format };
                actix_rt::System::new().block_on(cluster::cluster(plan))
            }
        }
    }
}

/// How many controllers to start: as many as the folder was started with, which does not change.
fn how_many(data: &Path, wanted: Option<usize>) -> Result<usize, Failure> {
    let has = match cluster::controllers_of(data)? {
        // A server of one controller has its format there.
        None => data.join("format").exists().then_some(1),
        several => several,
    };
    match (has, wanted) {
        (None, wanted) => Ok(wanted.unwrap_or(1)),
        (Some(has), None) => Ok(has),
        (Some(has), Some(wanted)) if has == wanted => Ok(has),
        (Some(has), Some(wanted)) => Err(Failure::Usage(format!(
            "--controllers {wanted}: {} was started with {has}, and that stays; `tidegate controller add` lets another \
             one join a cluster that is there, and another --data starts anew",
            data.display()
        ))),
    }
}

/// Log lines on standard error; `RUST_LOG` chooses which.
pub(crate) fn log_to_stderr() {
    use std::io::IsTerminal;
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,tidegate=info"));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_controllers_there_are_is_decided_once() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        assert_eq!([None, Some(3)].map(|wanted| how_many(data, wanted).unwrap()), [1, 3]);
        std::fs::write(data.join("format"), "tidegate 2\n").unwrap();
        assert_eq!([None, Some(1)].map(|wanted| how_many(data, wanted).unwrap()), [1, 1]);
        let other = how_many(data, Some(3)).unwrap_err();
        assert!(other.code() == 2 && other.to_string().contains("tidegate controller add"), "{other}");
    }
}
