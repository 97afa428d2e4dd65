//! A snapshot that comes from another controller, until it is whole. What has arrived stays over a broken transfer, and
//! over a restart.

use super::snapshot::{SnapshotError, SnapshotStore, at, read};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use tidegate_scheduler::consensus::SnapshotPoint;
use tidegate_store::Digest;

/// A snapshot's file, as far as it has come.
#[derive(Debug)]
pub struct Arriving {
    store: SnapshotStore,
    point: SnapshotPoint,
    path: PathBuf,
    file: File,
    have: u64,
    expected: u64,
    digest: Digest,
}

impl SnapshotStore {
    /// The file for a snapshot that another controller sends; goes on with what is there of the same file.
    ///
    /// # Errors
    /// When the file cannot be made or read.
    pub fn arriving(
        &self,
        point: &SnapshotPoint,
        digest: Digest,
        expected: u64,
    ) -> Result<Arriving, SnapshotError> {
        let path = self.path_of(point).with_extension(format!("{digest}.part"));
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(at("make", &path))?;
        let have = file.metadata().map_err(at("look at", &path))?.len();
        if have > expected {
            file.set_len(0).map_err(at("empty", &path))?;
        }
        let have = if have > expected { 0 } else { have };
        let (store, point) = (self.clone(), point.clone());
        Ok(Arriving { store, point, path, file, have, expected, digest })
    }
}

impl Arriving {
    /// How many bytes are here.
    pub fn len(&self) -> u64 {
        self.have
    }

    /// Whether nothing is here yet.
    pub fn is_empty(&self) -> bool {
        self.have == 0
    }

    /// The next bytes.
    ///
    /// # Errors
    /// When they are more than was said, or cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        if self.have + bytes.len() as u64 > self.expected {
            return Err(SnapshotError::Mismatch);
        }
        self.file.write_all(bytes).map_err(at("write", &self.path))?;
        self.have += bytes.len() as u64;
        Ok(())
    }

    /// Checks the whole, lets `read` make of the image what it is for, and only then makes it one of the stored
    /// snapshots.
    ///
    /// # Errors
    /// When it is not what was said, no whole snapshot of the point that was said, or cannot be read: it is removed
    /// then.
    pub fn finish<T>(self, read: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T, SnapshotError> {
        let checked = self.check().and_then(|image| read(&image).map_err(SnapshotError::Damaged));
        if checked.is_err()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(file = %self.path.display(), %error, "a snapshot that is none cannot be removed");
        }
        let found = checked?;
        self.file.sync_all().map_err(at("sync", &self.path))?;
        self.store.adopt(&self.path, &self.point)?;
        Ok(found)
    }

    fn check(&self) -> Result<Vec<u8>, SnapshotError> {
        let bytes = fs::read(&self.path).map_err(at("read", &self.path))?;
        if Digest::of(&bytes) != self.digest {
            return Err(SnapshotError::Mismatch);
        }
        let (point, image) = read(bytes).map_err(SnapshotError::Damaged)?;
        match point == self.point {
            true => Ok(image),
            false => Err(SnapshotError::Mismatch),
        }
    }
}
