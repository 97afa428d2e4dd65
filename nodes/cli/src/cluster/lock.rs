//! One supervisor at a time: an exclusive lock on the data folder's file `lock`, which a server of one controller takes too.

use anyhow::{Context as _, anyhow};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes the folder, if it is not there, and locks it for as long as the file lives.
pub(super) fn lock(folder: &Path) -> anyhow::Result<File> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join("lock");
    let doing = || format!("cannot lock {}", path.display());
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(doing)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = match holder.trim() {
                "" => "another process".to_owned(),
                pid => format!("process {pid}"),
            };
            return Err(anyhow!(
                "data folder {} is in use by {holder}; stop that one first, or give this one a folder of its own",
                folder.display()
            ));
        }
        Err(error) => return Err(error).with_context(doing),
    }
    file.write_all(format!("{:<20}\n", std::process::id()).as_bytes()).with_context(doing)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_once() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("d");
        let held = lock(&data).unwrap();
        let error = lock(&data).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(held);
        lock(&data).unwrap();
    }
}
