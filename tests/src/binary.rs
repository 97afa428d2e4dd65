//! Where the program under test is.

use std::{env, path::PathBuf};

use anyhow::{Context, Result, bail};

/// The `tidegate` under test: `TIDEGATE_BIN`, else the one in the folder that this test was built into.
///
/// # Errors
/// It is not there: nothing here builds it, `make test` does.
pub fn tidegate_binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("TIDEGATE_BIN") {
        let path = PathBuf::from(path);
        return path.canonicalize().with_context(|| format!("TIDEGATE_BIN names {}", path.display()));
    }
    let test = env::current_exe().context("the test's own program is not known")?;
    // target/PROFILE/deps/story-0123456789abcdef, or target/PROFILE/program
    let beside = test.ancestors().skip(1).take(2).map(|folder| folder.join("tidegate"));
    match beside.clone().find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!(
            "the program under test is not at {}: build it by `cargo build -p tidegate`, or name it in TIDEGATE_BIN",
            beside.last().unwrap_or_default().display()
        ),
    }
}
