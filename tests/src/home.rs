//! The surroundings of a story: settings, state and caches of its own.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// The variables that say where a user's things are.
const PLACES: [(&str, &str); 5] = [
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_DATA_HOME", "share"),
    ("XDG_STATE_HOME", "state"),
    ("XDG_CACHE_HOME", "cache"),
    ("XDG_RUNTIME_DIR", "runtime"),
];

/// A folder for everything that a story makes, and the variables that lead programs there. Removed when dropped.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// Makes an empty one.
    ///
    /// # Errors
    /// The folder for temporary files cannot be written.
    pub fn new() -> Result<Home> {
        let folder = tempfile::Builder::new().prefix("tidegate-story-").tempdir()?;
        for (_, name) in PLACES {
            std::fs::create_dir(folder.path().join(name)).context("cannot make a story's folders")?;
        }
        Ok(Home { folder })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command that lives in these surroundings: what the user has set for `tidegate` does not reach it.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("TIDEGATE_") {
                command.env_remove(name);
            }
        }
        for (variable, name) in PLACES {
            command.env(variable, self.folder.path().join(name));
        }
        command.current_dir(self.folder.path());
        command
    }

    /// Writes a file below the folder, with the folders that lead to it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        let parent = path.parent().context("a file is in a folder")?;
        std::fs::create_dir_all(parent)?;
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}
