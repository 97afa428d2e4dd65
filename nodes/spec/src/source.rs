//! Where a document came from: its name and text, read with a limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Place, Problem, SpecError};

/// The largest file that is read as a specification, in bytes (1 MiB).
///
/// Azure ML's own files are a few KiB; a larger one is almost surely not a job file.
pub const FILE_LIMIT: u64 = 1024 * 1024;

/// A text and the name under which errors speak of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The path as the user wrote it, or a word such as `<stdin>`.
    pub(crate) name: String,
    /// The whole text; empty for a document that did not come from text (a JSON value).
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source { name: name.into(), text: text.into() })
    }

    /// Reads a file of at most [`FILE_LIMIT`] bytes; the size is checked before anything is read.
    pub(crate) fn read(path: &Path) -> Result<Arc<Source>, SpecError> {
        let name = path.display().to_string();
        let refuse = |problem| SpecError::new(problem, Place::in_file(&name));
        let unreadable = |error: std::io::Error| refuse(Problem::Unreadable { error: error.to_string() });
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            let what = if metadata.is_dir() { "a folder" } else { "not a regular file" };
            return Err(refuse(Problem::NotAFile { what }));
        }
        if metadata.len() > FILE_LIMIT {
            return Err(refuse(Problem::TooLarge { bytes: Some(metadata.len()), limit: FILE_LIMIT }));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        // The file may grow while it is read, hence the second limit.
        let reader = File::open(path).map_err(unreadable)?;
        reader.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        Source::from_bytes(&name, bytes)
    }

    /// Takes bytes as UTF-8 text of at most [`FILE_LIMIT`] bytes.
    pub(crate) fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Arc<Source>, SpecError> {
        let refuse = |problem| Err(SpecError::new(problem, Place::in_file(name)));
        if bytes.len() as u64 > FILE_LIMIT {
            return refuse(Problem::TooLarge { bytes: None, limit: FILE_LIMIT });
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Source::new(name, text)),
            Err(error) => refuse(Problem::NotUtf8 { offset: error.utf8_error().valid_up_to() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_refused_by_its_size_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big.yml");
        // Sparse: 50 MB that take no disk; reading it would still cost memory.
        File::create(&path).unwrap().set_len(50_000_000).unwrap();
        let error = Source::read(&path).unwrap_err();
        assert!(matches!(error.problem(), Problem::TooLarge { bytes: Some(50_000_000), .. }), "{error}");
    }

    #[test]
    fn a_folder_a_missing_file_and_foreign_bytes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Source::read(folder.path()).unwrap_err().problem(), Problem::NotAFile { .. }));
        let missing = Source::read(&folder.path().join("no.yml")).unwrap_err();
        assert!(matches!(missing.problem(), Problem::Unreadable { .. }));
        let latin = Source::from_bytes("latin.yml", b"name: caf\xe9".to_vec()).unwrap_err();
        assert!(matches!(latin.problem(), Problem::NotUtf8 { offset: 9 }));
    }
}
