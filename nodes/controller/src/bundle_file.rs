//! The file for a bundle, made before the bundle is: a bundle that could not be written down would be lost, and with it
//! the place of a controller that the cluster has let in.

use crate::bundle::{BundleError, JoinBundle, file};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A new file that its owner alone may read, for a bundle that is to come; dropped without one, it is removed.
#[derive(Debug)]
pub struct BundleFile {
    path: PathBuf,
    file: File,
    written: bool,
}

impl BundleFile {
    /// Makes the file; one that is there is left as it is, and that is an error.
    pub fn make(path: &Path) -> Result<BundleFile, BundleError> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let made = made.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => BundleError::Exists { path: path.to_owned() },
            _ => file("make", path)(error),
        });
        Ok(BundleFile { path: path.to_owned(), file: made?, written: false })
    }

    /// Writes the bundle, and returns once it is durable.
    pub fn write(mut self, bundle: &JoinBundle) -> Result<(), BundleError> {
        let unreadable = |reason: String| BundleError::Unreadable { path: self.path.clone(), reason };
        let text = toml::to_string(bundle).map_err(|error| unreadable(error.to_string()))?;
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(file("write", &self.path))?;
        self.written = true;
        Ok(())
    }
}

impl Drop for BundleFile {
    fn drop(&mut self) {
        if !self.written
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "an empty file for a bundle stays behind");
        }
    }
}
