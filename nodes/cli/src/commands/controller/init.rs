//! `tidegate controller init`.

use crate::failure::Failure;
use crate::output::{Format, note};
use crate::server;
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use tidegate_controller::{BundleFile, found};

const EXAMPLES: &str = "\
Examples:
  tidegate controller init --out bundles 10.0.0.1:8771 10.0.0.2:8771 10.0.0.3:8771
  tidegate controller init --cluster sea --out bundles 127.0.0.1:8771

Each bundle, with the token beside it, goes to the machine that has its address, and there into
`tidegate controller run --join`. It holds the cluster's key: copy it as you would a private key, and
keep no other copy. The token is what clients need: the same for all controllers.";

/// Where the controllers of a new cluster will be.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Init {
    /// Where each controller listens for the others and for workers, by UDP; one, three or five
    #[arg(value_name = "ADDRESS", required = true)]
    addresses: Vec<SocketAddr>,
    /// The cluster's name, in its certificates
    #[arg(long, value_name = "NAME", default_value = "tidegate")]
    cluster: String,
    /// The folder for the bundles; made if absent
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// One controller of a new cluster.
#[derive(Serialize)]
struct Founder {
    id: u64,
    address: SocketAddr,
    bundle: PathBuf,
}

impl Init {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        self.check()?;
        let texts: Vec<String> = self.addresses.iter().map(SocketAddr::to_string).collect();
        let bundles = found(&self.cluster, &texts).map_err(anyhow::Error::from)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.out)
            .with_context(|| format!("cannot make {}", self.out.display()))?;
        let token = server::new_token();
        let mut founders = Vec::new();
        // All of them before any is written: a folder has all bundles of a cluster, or none.
        let mut files = Vec::new();
        for (bundle, address) in bundles.iter().zip(&self.addresses) {
            let path = self.out.join(format!("c{}.join", bundle.id));
            files.push((bundle, BundleFile::make(&path).map_err(anyhow::Error::from)?));
            founders.push(Founder { id: bundle.id, address: *address, bundle: path });
        }
        for ((bundle, file), founder) in files.into_iter().zip(&founders) {
            server::save_token(&server::token_beside(&founder.bundle), &token)?;
            file.write(bundle).map_err(anyhow::Error::from)?;
        }
        note(
            "next: on each machine write a controller.toml with at least `data` and `listen` (its address), then\n  \
             tidegate controller run --config controller.toml --join BUNDLE",
        );
        format.print(&founders, |founders| {
            founders.iter().map(|founder| founder.bundle.display().to_string()).collect::<Vec<_>>().join("\n")
        })
    }

    fn check(&self) -> Result<(), Failure> {
        for (at, address) in self.addresses.iter().enumerate() {
            if address.port() == 0 || address.ip().is_unspecified() {
                return Err(Failure::Usage(format!(
                    "{address}: others connect there; give the address and the port that they will use"
                )));
            }
            if self.addresses[..at].contains(address) {
                return Err(Failure::Usage(format!(
                    "{address} is given twice; each controller has an address of its own"
                )));
            }
        }
        if self.addresses.len().is_multiple_of(2) {
            note(format_args!(
                "{} controllers survive no more losses than {} would: an odd number is better",
                self.addresses.len(),
                self.addresses.len() - 1
            ));
        }
        Ok(())
    }
}
