//! What stands in for programs and data that a job file refers to and that are not beside it.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use tidegate_spec::{Document, Role, read_file};

/// What a stand-in for code prints when it is run.
const PROGRAM: &str = "print(\"a stand-in\")\n";

/// Makes every local folder and file that a job refers to and that is absent; never outside `root`.
pub(crate) fn make(job: &Path, root: &Path) -> Result<()> {
    let Document::Command(spec) = read_file(job)? else { bail!("{} is no job", job.display()) };
    let folder = job.parent().context("a file is in a folder")?;
    for local in spec.local_paths(folder) {
        let path = &local.path;
        if path.exists() {
            continue;
        }
        if !path.starts_with(root) {
            bail!("{} refers to {}, outside of {}", job.display(), path.display(), root.display());
        }
        match &local.role {
            Role::Code => {
                fs::create_dir_all(path)?;
                fs::write(path.join("main.py"), PROGRAM)?;
            }
            Role::Input(_) if path.extension().is_some() => {
                fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
                fs::write(path, "a stand-in\n")?;
            }
            Role::Input(_) => {
                fs::create_dir_all(path)?;
                fs::write(path.join("data.csv"), "a stand-in\n")?;
            }
        }
    }
    Ok(())
}
