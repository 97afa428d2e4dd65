//! Folders that runs have left as they found them, kept for the runs to come.
//!
//! Most short runs need five folders and leave them empty. To make and delete them each time costs more than the command
//! itself on some file systems; to rename one that is there costs next to nothing. What a run has touched is never used
//! again, and neither are its logs, which somebody may still be reading.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::fs::{Mode, OFlags};

use super::{AttemptFolder, KEPT};

/// Beyond so many, folders are deleted.
const MOST: usize = 256;

/// The folders that are free, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Spares {
    free: Mutex<Vec<u64>>,
    next: AtomicU64,
}

impl Spares {
    fn free(&self) -> MutexGuard<'_, Vec<u64>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the folder of an attempt out of a free one: with all that [`AttemptFolder::make`] and
    /// [`AttemptFolder::make_kept`] make. Whether there was one.
    pub(super) fn take(&self, place: &Path, folder: &AttemptFolder) -> bool {
        let Some(number) = self.free().pop() else { return false };
        match fs::rename(numbered(place, number), folder.root()) {
            Ok(()) => true,
            // Something is in its place, and is dealt with where a new one is made.
            Err(error) => {
                tracing::debug!(%error, "a spare folder cannot be used");
                false
            }
        }
    }

    /// Puts an attempt's folder aside, its files deleted, if the run has left it as it found it and there are not too
    /// many. Whether it did; else the folder is where it was.
    pub(super) fn put(&self, place: &Path, folder: &AttemptFolder) -> io::Result<bool> {
        if self.free().len() >= MOST || !is_untouched(folder)? {
            return Ok(false);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        fs::rename(folder.root(), numbered(place, number))?;
        self.free().push(number);
        Ok(true)
    }
}

fn numbered(place: &Path, number: u64) -> PathBuf {
    place.join(number.to_string())
}

/// Whether a folder holds exactly what was made for the run, and each of it is as it was made.
fn is_untouched(folder: &AttemptFolder) -> io::Result<bool> {
    let work = folder.work();
    let [outputs, logs] = KEPT.map(|kept| work.join(kept));
    Ok(holds(folder.root(), &["tmp", "wd"])?
        && holds(&work, &KEPT)?
        && holds(&folder.temporary(), &[])?
        && holds(&outputs, &[])?
        && holds(&logs, &[])?)
}

/// Whether a path is a folder of ours with these entries and no others, whose mode and attributes nobody changed.
fn holds(path: &Path, names: &[&str]) -> io::Result<bool> {
    let folder = match open_folder(path) {
        Ok(folder) => folder,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let found = folder.metadata()?;
    // A command with privileges may have given it away.
    if found.mode() & 0o7777 != 0o700
        || found.uid() != rustix::process::geteuid().as_raw()
        || has_attributes(&folder)?
    {
        return Ok(false);
    }
    let mut left = names.len();
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            name if names.iter().any(|known| known.as_bytes() == name) => left -= 1,
            _ => return Ok(false),
        }
    }
    Ok(left == 0)
}

/// Whether a file has attributes that a run may have given it: its own, or an access list.
fn has_attributes(file: &fs::File) -> io::Result<bool> {
    let mut names = [0; 256];
    match rustix::fs::flistxattr(file, &mut names[..]) {
        // The system's own labels stand on every file of the machine.
        Ok(len) => Ok(names[..len]
            .split(|byte| *byte == 0)
            .any(|name| !name.is_empty() && !name.starts_with(b"security."))),
        Err(rustix::io::Errno::RANGE) => Ok(true),
        Err(rustix::io::Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a folder has no entries.
///
/// # Errors
///
/// `NotADirectory` where it is none, or a link to one.
pub(crate) fn is_empty(path: &Path) -> io::Result<bool> {
    let mut entries = rustix::fs::Dir::read_from(open_folder(path)?)?;
    let is_entry = |entry: &rustix::io::Result<rustix::fs::DirEntry>| {
        entry.as_ref().map_or(true, |entry| !matches!(entry.file_name().to_bytes(), b"." | b".."))
    };
    entries.find(is_entry).transpose().map(|found| found.is_none()).map_err(io::Error::from)
}

/// Never through a link that a run has put in its place.
fn open_folder(path: &Path) -> io::Result<fs::File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tidegate_scheduler::ids::Fence;

    use super::*;
    use crate::folder::NodeFolder;

    fn inode(folder: &AttemptFolder) -> u64 {
        fs::metadata(folder.root()).unwrap().ino()
    }

    #[test]
    fn a_folder_that_was_left_as_it_was_is_used_again() {
        let temp = tempfile::tempdir().unwrap();
        let node = NodeFolder::open(temp.path()).unwrap();
        let first = node.attempt(Fence(1));
        node.make(&first).unwrap();
        for file in [first.assignment(), first.stdout(), first.stderr()] {
            fs::write(file, "old").unwrap();
        }
        let of_first = inode(&first);
        node.put_away(&first).unwrap();
        assert!(!first.root().exists());
        let second = node.attempt(Fence(2));
        node.make(&second).unwrap();
        assert_eq!(inode(&second), of_first);
        assert!(is_untouched(&second).unwrap());
        // There is no other.
        let third = node.attempt(Fence(3));
        node.make(&third).unwrap();
        assert!(is_untouched(&third).unwrap());
        // A later agent begins with none.
        node.put_away(&second).unwrap();
        node.recover().unwrap();
        assert!(!temp.path().join("spare").exists());
        NodeFolder::open(temp.path()).unwrap().make(&second).unwrap();
    }

    #[test]
    fn what_was_touched_is_deleted() {
        type Touch = fn(&AttemptFolder) -> io::Result<()>;
        let touches: [(&str, Touch); 9] = [
            ("a file in the working folder", |folder| fs::write(folder.work().join("x"), "")),
            ("an output", |folder| fs::write(folder.work().join("outputs/x"), "")),
            ("a folder of logs", |folder| fs::create_dir(folder.work().join("logs/x"))),
            ("a temporary file", |folder| fs::write(folder.temporary().join("x"), "")),
            ("an input", |folder| fs::create_dir(folder.root().join("inputs"))),
            ("outputs deleted", |folder| fs::remove_dir(folder.work().join("outputs"))),
            ("a link in place of logs", |folder| {
                fs::remove_dir(folder.work().join("logs"))?;
                symlink("/", folder.work().join("logs"))
            }),
            ("a mode", |folder| fs::set_permissions(folder.work(), fs::Permissions::from_mode(0o755))),
            ("an attribute", |folder| {
                let set =
                    rustix::fs::setxattr(folder.work(), c"user.x", b"1", rustix::fs::XattrFlags::empty());
                match set {
                    // Not on every file system; the folder is touched in another way then.
                    Err(rustix::io::Errno::NOTSUP) => fs::write(folder.work().join("x"), ""),
                    set => Ok(set?),
                }
            }),
        ];
        let temp = tempfile::tempdir().unwrap();
        let node = NodeFolder::open(temp.path()).unwrap();
        for (what, touch) in touches {
            let folder = node.attempt(Fence(1));
            node.make(&folder).unwrap();
            touch(&folder).unwrap();
            node.put_away(&folder).unwrap();
            assert!(!folder.root().exists(), "{what}");
            assert!(node.spares.free().is_empty(), "{what}");
        }
    }
}
