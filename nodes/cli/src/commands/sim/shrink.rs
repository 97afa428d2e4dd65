//! `tidegate sim shrink`.

use super::conclude;
use super::left_out::LeftOut;
use crate::failure::Failure;
use crate::output::{self, Format, note};
use clap::Args;
use serde::Serialize;
use tidegate_sim::shrink;

const EXAMPLES: &str = "\
Examples:
  tidegate sim shrink --seed 4711
  tidegate sim shrink --seed 4711 --tries 1000

Kinds of faults are left out first, then single faults, then single requests, for as long as the play
fails in the same way. Each step forward is told; what is left is printed with its replay command.

Exit codes: 0 the seed does not fail; else how it fails: 127 crashed, 128 stuck, 129 wrong.";

/// Which play, and how hard to try.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Shrink {
    /// The seed of the play
    #[arg(long, value_name = "SEED")]
    seed: u64,
    /// How often it is played at most
    #[arg(long, value_name = "N", default_value_t = 300)]
    tries: u32,
    #[command(flatten)]
    left_out: LeftOut,
}

/// What a program learns of the smallest play.
#[derive(Serialize)]
struct Smallest {
    seed: u64,
    exit_code: i32,
    failure: String,
    replay: String,
    faults: usize,
    requests: usize,
}

impl Shrink {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let mut told = |played: &tidegate_sim::Played| {
            note(format_args!("{} faults, {} requests left", played.faults.len(), played.planned.len()));
        };
        let Some(smallest) = shrink(self.seed, &self.left_out.options()?, self.tries, &mut told) else {
            note(format_args!("seed {} does not fail", self.seed));
            return Ok(());
        };
        if format == Format::Table {
            output::line(&smallest.to_string())?;
        } else {
            let told = Smallest {
                seed: smallest.seed,
                exit_code: smallest.verdict.exit_code(),
                failure: smallest.verdict.to_string(),
                replay: smallest.replay_command(),
                faults: smallest.faults.len(),
                requests: smallest.planned.len(),
            };
            format.print(&told, |_| String::new())?;
        }
        conclude(&smallest.verdict)
    }
}
