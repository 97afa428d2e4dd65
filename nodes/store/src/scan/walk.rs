//! The names in a folder, and what each one is.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, readlinkat, statat};

use super::ignored::Ignored;
use super::{OddFiles, ScanError};
use crate::beneath::open_folder;
use crate::tree::{MAX_ENTRIES, TreeEntry, TreeError, TreeKind, check_path};

/// A regular file whose content is not read yet.
pub(super) struct FoundFile {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) executable: bool,
}

/// What a folder holds.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: Vec<FoundFile>,
    /// Folders and links.
    pub(super) others: Vec<TreeEntry>,
    pub(super) left_out: Vec<(String, &'static str)>,
}

struct Walk<'a> {
    folder: &'a Path,
    /// The folder's name with no link in it: what an absolute link into the folder begins with.
    real: PathBuf,
    ignored: &'a Ignored,
    odd: OddFiles,
    found: Found,
}

/// Lists everything beneath `root`, which `folder` names.
pub(super) fn walk(
    root: &OwnedFd,
    folder: &Path,
    ignored: &Ignored,
    odd: OddFiles,
) -> Result<Found, ScanError> {
    let real = folder.canonicalize().map_err(|e| ScanError::io("resolve", folder, "", e))?;
    let mut walk = Walk { folder, real, ignored, odd, found: Found::default() };
    walk.folder(root, "")?;
    Ok(walk.found)
}

impl Walk<'_> {
    fn folder(&mut self, folder: &OwnedFd, prefix: &str) -> Result<(), ScanError> {
        let io = |e| ScanError::io("list", self.folder, prefix, e);
        let entries = Dir::read_from(folder).map_err(io)?;
        let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(io)?;
        for entry in entries {
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                self.entry(folder, prefix, name)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, folder: &OwnedFd, prefix: &str, name: &[u8]) -> Result<(), ScanError> {
        let Ok(name) = std::str::from_utf8(name) else {
            return self.bad_name(prefix, name);
        };
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| ScanError::io("look at", self.folder, &path, e))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if self.ignored.leaves_out(&path, kind == FileType::Directory) {
            return Ok(());
        }
        self.check(&path)?;
        match kind {
            FileType::Directory => {
                let inner = open_folder(folder, name)
                    .map_err(|e| ScanError::io("open the folder", self.folder, &path, e))?;
                self.folder(&inner, &path)?;
                self.found.others.push(TreeEntry { path, kind: TreeKind::Dir });
                Ok(())
            }
            FileType::RegularFile => {
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                self.found.files.push(FoundFile { path, size, executable: stat.st_mode & 0o100 != 0 });
                Ok(())
            }
            FileType::Symlink => self.link(folder, name, path),
            FileType::Socket => self.odd(path, "a socket cannot be kept"),
            FileType::Fifo => self.odd(path, "a named pipe cannot be kept"),
            _ => self.odd(path, "a device cannot be kept"),
        }
    }

    /// Refuses what is too deep or too much while walking, not after.
    fn check(&self, path: &str) -> Result<(), ScanError> {
        let refuse = |source| Err(ScanError::Tree { folder: self.folder.to_owned(), source });
        let count = self.found.files.len() + self.found.others.len();
        if count >= MAX_ENTRIES {
            return refuse(TreeError::TooMany(count + 1));
        }
        check_path(path).or_else(refuse)
    }

    fn link(&mut self, folder: &OwnedFd, name: &str, path: String) -> Result<(), ScanError> {
        let target = readlinkat(folder.as_fd(), name, Vec::new())
            .map_err(|e| ScanError::io("read the link", self.folder, &path, e))?;
        let Ok(target) = target.into_string() else {
            return self.odd(path, "the symbolic link's target is not UTF-8");
        };
        let target = self.relative(&path, &target).unwrap_or(target);
        self.found.others.push(TreeEntry { path, kind: TreeKind::Symlink { target } });
        Ok(())
    }

    /// An absolute target inside the folder as one that stays right wherever the tree is written.
    fn relative(&self, link: &str, target: &str) -> Option<String> {
        let target = Path::new(target);
        let inside = target.strip_prefix(&self.real).or_else(|_| target.strip_prefix(self.folder)).ok()?;
        if !target.is_absolute() {
            return None;
        }
        let up = "../".repeat(link.matches('/').count());
        let relative = format!("{up}{}", inside.to_str()?);
        Some(if relative.is_empty() { ".".into() } else { relative })
    }

    fn odd(&mut self, path: String, reason: &'static str) -> Result<(), ScanError> {
        match self.odd {
            OddFiles::LeaveOut => {
                self.found.left_out.push((path, reason));
                Ok(())
            }
            OddFiles::Refuse => {
                Err(ScanError::Odd { path: self.folder.join(path), reason, ignore_file: self.ignored.file() })
            }
        }
    }

    fn bad_name(&mut self, prefix: &str, name: &[u8]) -> Result<(), ScanError> {
        match self.odd {
            OddFiles::LeaveOut => {
                let path = Path::new(prefix).join(OsStr::from_bytes(name));
                self.found.left_out.push((path.to_string_lossy().into_owned(), "the name is not UTF-8"));
                Ok(())
            }
            OddFiles::Refuse => Err(ScanError::Name {
                folder: self.folder.join(prefix),
                name: OsStr::from_bytes(name).to_owned(),
            }),
        }
    }
}
