//! What recovery does once it has found nothing acknowledged missing: cuts a torn end off, and syncs the rest.

use std::fs::{self, File, OpenOptions};
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
    if cuts.is_empty() { Ok(()) } else { sync_folder(folder).map_err(LogError::io("sync", folder)) }
}

/// Makes what was read from the newest file durable. A process that was killed may have left it in memory alone,
/// and from here on it counts as acknowledged. Older files were synced when the next one was begun.
pub(super) fn settle(newest: Option<&Path>) -> Result<(), LogError> {
    let Some(path) = newest else { return Ok(()) };
    File::open(path).and_then(|file| file.sync_all()).map_err(LogError::io("sync", path))
}
