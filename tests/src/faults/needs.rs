//! What the machine must have for a fault to be made.

use std::{
    env,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Says by name that a story is skipped: an error where nothing may be.
pub(super) fn skipped(story: &str, why: &str) -> Result<()> {
    if env::var("TIDEGATE_FAULTS").is_ok_and(|faults| faults == "required") {
        bail!("{story}: {why}; TIDEGATE_FAULTS=required forbids to skip it");
    }
    eprintln!("skipped: {story}: {why}");
    Ok(())
}

/// Whether we are root and these programs are there; if not, it is said that the story is skipped.
pub(super) fn has(story: &str, programs: &[&str], packages: &str) -> Result<bool> {
    let absent: Vec<&str> = programs.iter().filter(|program| !is_there(program)).copied().collect();
    let root = rustix::process::geteuid().is_root();
    if root && absent.is_empty() {
        return Ok(true);
    }
    let lacks = match root {
        true => format!("missing: {}", absent.join(", ")),
        false => "this is not root".to_owned(),
    };
    skipped(story, &format!("needs root, {packages}; {lacks}"))?;
    Ok(false)
}

/// Whether a program is on the path.
fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

/// Runs a program of the system, which must succeed, with this text to read.
///
/// # Errors
/// It cannot be started, or fails; the error shows what it said.
pub(super) fn succeed(command: &mut Command, input: &str) -> Result<String> {
    let told = |what: &str, command: &Command| format!("{what} {command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| told("cannot start", command))?;
    // Dropped when written, so that it sees the end. Who ends without reading says why on standard error.
    let written = child.stdin.take().context("it was piped")?.write_all(input.as_bytes());
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}: {}\n{input}", told("ran", command), output.status, said.trim_end());
    }
    written.with_context(|| told("cannot write to", command))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
