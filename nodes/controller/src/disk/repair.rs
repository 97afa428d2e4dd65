//! Cuts a torn end off, once recovery has found that nothing acknowledged is in it.

use std::fs::{self, OpenOptions};
use std::path::Path;

use super::error::LogError;
use super::folder::sync_folder;
use super::recovery::Cut;

/// Makes the cuts, durably. Each may be repeated after a crash in between.
pub(super) fn cut(folder: &Path, cuts: &[Cut]) -> Result<(), LogError> {
    for cut in cuts {
        match cut {
            Cut::Shorten(path, len) => OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|file| {
                    file.set_len(*len)?;
                    file.sync_all()
                })
                .map_err(LogError::io("shorten", path))?,
            Cut::Remove(path) => fs::remove_file(path).map_err(LogError::io("remove", path))?,
        }
    }
    if cuts.is_empty() {
        Ok(())
    } else {
        sync_folder(folder).map_err(LogError::io("sync", folder))
    }
}
