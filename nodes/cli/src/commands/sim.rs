//! `tidegate sim`: the simulator, one thread a play.

mod fuzz;
mod left_out;
mod replay;
mod shrink;

pub(crate) use fuzz::Fuzz;
pub(crate) use replay::Replay;
pub(crate) use shrink::Shrink;

use crate::failure::Failure;
use tidegate_sim::Verdict;

/// What a verdict means for the exit code.
fn conclude(verdict: &Verdict) -> Result<(), Failure> {
    match verdict {
        Verdict::Kept => Ok(()),
        broken => Err(ended(broken.exit_code())),
    }
}

/// The failure of a play or a sweep that has been told already.
fn ended(code: i32) -> Failure {
    Failure::Simulated(u8::try_from(code).unwrap_or(u8::MAX))
}
