//! Building a virtual environment by `uv`, once for all who want the same.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Stdio,
};

use rustix::fs::{FlockOperation, flock};
use tokio::{process::Command, task};

use super::BuildError;

/// How much of what `uv` says last is told.
const TOLD_LINES: usize = 12;
const TOLD_BYTES: usize = 2000;

/// What to build, and where.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) uv: PathBuf,
    pub(super) packages: Vec<String>,
    pub(super) python: Option<String>,
    pub(super) venv: PathBuf,
}

/// Builds what the recipe says, unless that was done before. Several at once, also of other processes, wait for one.
pub(super) async fn make(recipe: &Recipe) -> Result<(), BuildError> {
    let ready = recipe.venv.join(".ready");
    if ready.exists() {
        return Ok(());
    }
    let lock = lock(recipe.venv.with_extension("lock")).await?;
    if !ready.exists() {
        let partial = recipe.venv.clone();
        on_thread("delete what a broken build left", move || match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await?;
        build(recipe).await?;
        fs::write(&ready, [])
            .map_err(|error| BuildError::Io { what: format!("write {}", ready.display()), error })?;
    }
    drop(lock);
    Ok(())
}

async fn build(recipe: &Recipe) -> Result<(), BuildError> {
    let mut command = Command::new(&recipe.uv);
    command.arg("venv").arg("--quiet");
    if let Some(python) = &recipe.python {
        command.args(["--python", python]);
    }
    command.arg("--").arg(&recipe.venv);
    run(command, "uv venv").await?;
    if recipe.packages.is_empty() {
        return Ok(());
    }
    let mut command = Command::new(&recipe.uv);
    command.args(["pip", "install", "--quiet", "--python"]).arg(recipe.venv.join("bin/python"));
    command.arg("--").args(&recipe.packages);
    run(command, "uv pip install").await
}

async fn run(mut command: Command, step: &str) -> Result<(), BuildError> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(BuildError::NoUv)?;
    if output.status.success() {
        return Ok(());
    }
    Err(BuildError::Refused { step: step.to_owned(), last_lines: last_lines(&output.stderr) })
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let lines = lines[lines.len().saturating_sub(TOLD_LINES)..].join("\n");
    let from = lines.ceil_char_boundary(lines.len().saturating_sub(TOLD_BYTES));
    lines[from..].to_owned()
}

/// Waits for the lock on a thread of its own: somebody may be building for minutes.
async fn lock(path: PathBuf) -> Result<File, BuildError> {
    on_thread("lock the folder of environments", move || {
        let folder = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    })
    .await
}

async fn on_thread<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BuildError> {
    let done = task::spawn_blocking(work).await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
    done.map_err(|error| BuildError::Io { what: what.to_owned(), error })
}
