//! Files that hold keys: written whole or not at all, readable by their owner alone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use crate::error::TlsError;

/// A certificate or key file is a few kilobytes; what is larger is something else.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Makes `dir` and its parents, for the owner alone where they are new.
pub(super) fn make_dir(dir: &Path) -> Result<(), TlsError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| TlsError::file(dir, error))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(|error| TlsError::file(dir, error))
}

/// Replaces `path` by a file of `mode` that holds `text`, atomically and durably.
pub(super) fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    replace(path, text, mode).map_err(|error| TlsError::file(path, error))
}

fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut unfinished = name.to_owned();
    unfinished.push(format!(".{}.new", std::process::id()));
    let unfinished = dir.join(unfinished);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // `create_new` with the mode: the key is never in a file that others can open, nor in one that others made.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(dir)?.sync_all()
}

/// Reads a text file of bounded size.
pub(super) fn read(path: &Path) -> Result<String, TlsError> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| TlsError::file(path, error))?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(|error| TlsError::file(path, error))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(TlsError::file(path, io::Error::other("too large for a certificate or key")));
    }
    Ok(text)
}

/// As [`read`], and refuses a file that others than its owner may read.
pub(super) fn read_secret(path: &Path) -> Result<String, TlsError> {
    let mode = fs::metadata(path).map_err(|error| TlsError::file(path, error))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(TlsError::Readable { path: path.to_owned(), mode: mode & 0o777 });
    }
    read(path)
}
