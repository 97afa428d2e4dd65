//! `tidegate up`.

use crate::context::user_folder;
use crate::failure::Failure;
use crate::output::Format;
use crate::server::{Plan, ServerConfig, live};
use anyhow::Context as _;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  tidegate up                     a server and a pool of workers, for this machine alone
  tidegate up --data /srv/tidegate --http 127.0.0.1:9000
  tidegate up --config server.toml

All that is durable is in the data folder: started again on the same one, the server goes on
where it was, also after it was killed; what was running then is still running. The token that
clients need is in its file `token`, and in a context that the other commands find by themselves.

The configuration is TOML; every key may be left out:
  environments.NAME = { packages = [\"numpy\"], python = \"3.11\" }    built by uv when needed
  environments.NAME = { venv = \"/path\" }                            one that is there
  sizes = [{ name = \"Big\", family = \"own\", vcpu = 64, memory_mib = 262144, gpus = 0 }]
  retention = { days = 30, runs = 1000000 }
  logs.limit_mib = 256
  http.names = [\"host.example\"]
  workers = { leave_after = 600, pass_environment = [\"LANG\"], uv = \"/usr/bin/uv\" }";

/// Where, and how.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Up {
    /// The data folder; `tidegate` in $XDG_DATA_HOME when absent
    #[arg(long, value_name = "FOLDER", env = "TIDEGATE_DATA")]
    data: Option<PathBuf>,
    /// Where to listen for commands and requests; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8770")]
    http: SocketAddr,
    /// How many controllers (only 1 is supported yet)
    #[arg(long, value_name = "N", default_value_t = 1)]
    controllers: u32,
    /// The server's configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Up {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        if self.controllers != 1 {
            let text =
                format!("--controllers {}: more than one controller is not supported yet", self.controllers);
            return Err(Failure::Usage(text));
        }
        log_to_stderr();
        let config = self.config.as_deref().map(ServerConfig::load).transpose()?.unwrap_or_default();
        let data = match self.data {
            Some(data) => {
                std::path::absolute(&data).with_context(|| format!("cannot use {}", data.display()))?
            }
            None => user_folder("XDG_DATA_HOME", ".local/share")?,
        };
        let plan = Plan { data, http: self.http, config, format };
        actix_rt::System::new().block_on(live(plan))
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
