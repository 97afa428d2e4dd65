//! What is left out of a play, or put into it: as a failing play says how it is played again.

use crate::failure::Failure;
use clap::Args;
use tidegate_scheduler::mutants::Mutant;
use tidegate_sim::{FaultKind, Options, parse_ranges};

/// What is left out of a play, or put into it.
#[derive(Debug, Args)]
pub(super) struct LeftOut {
    /// Kinds of faults that do not happen, with commas between, such as `net.loss,process.crash`
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    without: Vec<FaultKind>,
    /// Single faults that do not happen, by number: 3-7,12
    #[arg(long, value_name = "NUMBERS")]
    skip_faults: Option<String>,
    /// Single requests that nobody makes, by number
    #[arg(long, value_name = "NUMBERS")]
    skip_requests: Option<String>,
    /// A known bug to switch on, in a build with the feature `mutants`
    #[arg(long, value_name = "NAME")]
    mutant: Option<Mutant>,
}

impl LeftOut {
    pub(super) fn options(&self) -> Result<Options, Failure> {
        if let Some(mutant) = self.mutant
            && !cfg!(feature = "mutants")
        {
            return Err(Failure::Usage(format!(
                "--mutant {mutant}: this build has no bugs to switch on; build one: `cargo build -p tidegate \
                 --features mutants`"
            )));
        }
        let numbers = |name: &str, text: &Option<String>| {
            let parsed = text.as_deref().map(parse_ranges).transpose();
            parsed
                .map(Option::unwrap_or_default)
                .map_err(|wrong| Failure::Usage(format!("--{name}: {wrong}")))
        };
        Ok(Options {
            without: self.without.iter().copied().collect(),
            skip_faults: numbers("skip-faults", &self.skip_faults)?,
            skip_requests: numbers("skip-requests", &self.skip_requests)?,
            mutant: self.mutant,
            log: false,
        })
    }
}
