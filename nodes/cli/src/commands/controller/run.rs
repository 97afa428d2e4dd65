//! `tidegate controller run`.

use crate::commands::up::log_to_stderr;
use crate::failure::Failure;
use crate::output::Format;
use crate::server::{ControllerFile, Order, member};
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  tidegate controller run --config controller.toml --join c1.join    the first start
  tidegate controller run --config controller.toml                   every later one

SIGTERM and Ctrl-C give leadership away and stop; nodes and what runs on them live on. A bundle is
used once and removed: a controller whose data folder was lost must not come back as the one that it
was, but join as a new one, with a bundle of `tidegate controller add --replaces ID`.

Exit codes: 0 told to stop, or removed from the cluster; 1 the data folder has lost what it had
promised and must not be used again; 2 anything else.

The configuration is TOML; `data` and `listen` must be there:
  data = \"/srv/tidegate\"               the data folder
  listen = \"10.0.0.1:8771\"             for other controllers and workers, by UDP and TLS
  advertise = \"192.0.2.1:8771\"         what others see in place of `listen`
  http = \"127.0.0.1:8770\"              for clients
  http_url = \"http://127.0.0.1:8770\"   what `tidegate controller list` says of it
  http_names = [\"host.example\"]
  token = \"token\"                      the file with the clients' token; `token` in `data` when absent
  nodes = \"/srv/nodes\"                 local nodes; controllers of one machine may share the folder
and the keys of a server's but `http`: environments, sizes, retention, logs, workers; see `tidegate up --help`.";

/// What it is told.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    /// The controller's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What makes an empty data folder this controller's; passed over where it is already
    #[arg(long, value_name = "BUNDLE")]
    join: Option<PathBuf>,
    /// Record all that the core is told, for `tidegate sim replay --record`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Stop once standard input ends
    #[arg(long, hide = true)]
    supervised: bool,
}

impl Run {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        log_to_stderr();
        let file = ControllerFile::load(&self.config)?;
        let order = Order { file, join: self.join, record: self.record, supervised: self.supervised, format };
        actix_rt::System::new().block_on(member(order))
    }
}
