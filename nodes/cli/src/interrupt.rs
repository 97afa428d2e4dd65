//! Ctrl-C while a command follows a run: the command ends, the run goes on.

use crate::failure::Failure;
use crate::output::note;

/// From now on Ctrl-C ends this process and says `farewell`.
pub(crate) fn detach_with(farewell: String) -> Result<(), Failure> {
    let end = move || {
        note(format_args!("\n{farewell}"));
        std::process::exit(i32::from(Failure::Interrupted.code()));
    };
    ctrlc::set_handler(end)
        .map_err(|error| anyhow::Error::from(error).context("cannot listen for Ctrl-C").into())
}
