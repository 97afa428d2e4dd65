//! The rig that makes faults, tried on programs that are not ours: a cut that cuts nothing, or a verdict that finds nothing
//! wrong, would let every story pass.

mod clients;
mod clock;
mod disk;
mod hosts;
mod network;
mod pause;
mod stand_in;

use std::{
    env,
    process::{Command, Stdio},
};

use anyhow::Result;

/// This very program, to run one of its tests that is left out, as a process of its own.
pub(crate) fn left_out(test: &str) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--exact", test, "--include-ignored", "--nocapture", "--quiet"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(command)
}
