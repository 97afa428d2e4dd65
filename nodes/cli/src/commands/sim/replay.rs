//! `tidegate sim replay`.

use super::left_out::LeftOut;
use super::{conclude, ended};
use crate::failure::Failure;
use crate::output::{self, Format};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use tidegate_sim::{RecordError, replay, replay_record};

/// The exit code of a record that the core does not follow: something is wrong.
const WRONG: i32 = 129;

const EXAMPLES: &str = "\
Examples:
  tidegate sim replay --seed 4711                    all that happens in this play, in order
  tidegate sim replay --seed 4711 --skip-faults 3-7
  tidegate sim replay --record FILE                  what a real controller was told, to the same core

The last line has the hash of all that happened: the same wherever this seed is played. A record is
written by `tidegate controller run --record FILE`; the core must do the same again, effect by effect.

Exit codes: 0 every promise was kept; 127 crashed, 128 stuck, 129 wrong.";

/// Which play, or which record.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Replay {
    /// The seed of the play
    #[arg(long, value_name = "SEED", required_unless_present = "record")]
    seed: Option<u64>,
    /// A record of a real controller
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "without", "skip_faults", "skip_requests", "mutant"])]
    record: Option<PathBuf>,
    /// Print the verdict alone
    #[arg(long, conflicts_with = "record")]
    quiet: bool,
    #[command(flatten)]
    left_out: LeftOut,
}

/// What a program learns of a play.
#[derive(Serialize)]
struct Told<'a> {
    seed: u64,
    verdict: String,
    exit_code: i32,
    trace_hash: String,
    replay: String,
    drawn: &'a str,
    log: &'a [String],
}

/// What a program learns of a record.
#[derive(Serialize)]
struct Compared {
    steps: u64,
    effects: u64,
    states: u64,
    applied: u64,
    cut_short: bool,
}

impl Replay {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        match (self.seed, &self.record) {
            (_, Some(record)) => compare(record, format),
            (Some(seed), None) => self.play(seed, format),
            (None, None) => Err(Failure::Usage("give --seed or --record".to_owned())),
        }
    }

    fn play(&self, seed: u64, format: Format) -> Result<(), Failure> {
        let mut played = replay(seed, &self.left_out.options()?);
        if self.quiet {
            played.log.clear();
        }
        if format == Format::Table {
            // Line by line: a log may be long, and its reader may leave.
            played.log.iter().try_for_each(|line| output::line(line))?;
            output::line(&played.to_string())?;
            return conclude(&played.verdict);
        }
        let told = Told {
            seed,
            verdict: played.verdict.to_string(),
            exit_code: played.verdict.exit_code(),
            trace_hash: format!("{:016x}", played.trace_hash),
            replay: played.replay_command(),
            drawn: &played.drawn,
            log: &played.log,
        };
        format.print(&told, |_| String::new())?;
        conclude(&played.verdict)
    }
}

fn compare(record: &Path, format: Format) -> Result<(), Failure> {
    let file = File::open(record).with_context(|| format!("cannot read {}", record.display()))?;
    let parity = match replay_record(BufReader::new(file)) {
        Ok(parity) => parity,
        Err(RecordError::Diverged(diverged)) => {
            output::line(&format!("WRONG: the replay goes another way than the record: {diverged}"))?;
            return Err(ended(WRONG));
        }
        Err(error) => return Err(anyhow::Error::from(error).context(record.display().to_string()).into()),
    };
    let replayed = parity.replayed;
    let compared = Compared {
        steps: replayed.steps,
        effects: replayed.effects,
        states: replayed.states,
        applied: replayed.applied,
        cut_short: parity.cut_short,
    };
    format.print(&compared, |compared| {
        let cut = if compared.cut_short { "; its last line is cut short, as by a kill" } else { "" };
        format!(
            "the same: {} inputs, {} effects, {} states compared, up to entry {}{cut}",
            compared.steps, compared.effects, compared.states, compared.applied
        )
    })
}
