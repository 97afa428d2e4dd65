//! Opening what lies beneath a folder without ever following a symbolic link out of it.
//!
//! Every component is opened from the one before it and must not be a link, so a process that swaps a
//! folder for a link meanwhile gains nothing.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens the folder that everything else lies beneath; this path alone may contain links.
pub(crate) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, FOLDER, Mode::empty())?)
}

/// Opens the folder `name` in `parent`.
pub(crate) fn open_folder(parent: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    Ok(openat(parent, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?)
}

/// Opens the folder at the relative `path`; the empty path is `root` itself.
pub(crate) fn open_folder_at(root: impl AsFd, path: &str) -> io::Result<OwnedFd> {
    let mut folder = openat(root, ".", FOLDER, Mode::empty())?;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        folder = open_folder(&folder, name)?;
    }
    Ok(folder)
}

/// Opens the regular file at the relative `path` to read it.
pub(crate) fn open_file_at(root: impl AsFd, path: &str) -> io::Result<File> {
    let (parent, name) = split(path);
    let parent = open_folder_at(root, parent)?;
    // Opening a pipe must not wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(parent, name, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no longer a regular file"));
    }
    Ok(file)
}

/// The folder and the name of a relative path; the folder is empty at the top.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
