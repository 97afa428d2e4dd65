//! Folders that runs have left as they found them, kept for the runs to come.
//!
//! Most short runs need five folders and three files, and leave nothing else. To make and delete them each time costs
//! more than the command itself on some file systems; to rename what is there costs next to nothing. A folder that a run
//! has touched is never used again, nor one whose logs somebody has begun to read.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
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

/// The folders that are free.
#[derive(Debug, Default)]
pub(super) struct Spares {
    /// Their numbers.
    free: Mutex<Vec<u64>>,
    next: AtomicU64,
    /// The folders of attempts whose logs were opened. Held while one is opened, and while a folder is put aside.
    read: Mutex<HashSet<PathBuf>>,
}

impl Spares {
    /// Makes the folder of an attempt out of a free one: with all that [`AttemptFolder::make`] and
    /// [`AttemptFolder::make_kept`] make, and empty logs. Whether there was one.
    pub(super) fn take(&self, place: &Path, folder: &AttemptFolder) -> bool {
        let Some(number) = locked(&self.free).pop() else { return false };
        match fs::rename(numbered(place, number), folder.root()) {
            Ok(()) => true,
            // Something is in its place, and is dealt with where a new one is made.
            Err(error) => {
                tracing::debug!(%error, "a spare folder cannot be used");
                false
            }
        }
    }

    /// Puts an attempt's folder aside if the run has left it as it found it, and there are not too many. Whether it did;
    /// else the folder is where it was.
    pub(super) fn put(&self, place: &Path, folder: &AttemptFolder) -> io::Result<bool> {
        if locked(&self.free).len() >= MOST || !is_untouched(folder)? {
            return Ok(false);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let spare = AttemptFolder { root: numbered(place, number), spares: folder.spares.clone() };
        {
            let mut read = locked(&self.read);
            if read.remove(folder.root()) {
                return Ok(false);
            }
            // From here on nobody finds the attempt, neither a later agent nor a reader of its logs.
            fs::rename(folder.root(), spare.root())?;
        }
        match empty(&spare) {
            Ok(()) => locked(&self.free).push(number),
            Err(error) => {
                tracing::debug!(%error, "a folder cannot be kept for another attempt");
                fs::remove_dir_all(spare.root())?;
            }
        }
        Ok(true)
    }

    /// Opens a log of an attempt: its file is then never another's.
    pub(super) fn open_log(&self, folder: &AttemptFolder, log: &Path) -> io::Result<File> {
        let mut read = locked(&self.read);
        let file = File::open(log)?;
        read.insert(folder.root().to_owned());
        Ok(file)
    }

    /// The folder is deleted.
    pub(super) fn forget(&self, folder: &AttemptFolder) {
        locked(&self.read).remove(folder.root());
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes out what the attempt's files hold.
fn empty(spare: &AttemptFolder) -> io::Result<()> {
    for log in [spare.stdout(), spare.stderr()] {
        if fs::symlink_metadata(&log)?.len() > 0 {
            open(&log, OFlags::WRONLY)?.set_len(0)?;
        }
    }
    fs::rename(spare.assignment(), spare.draft())
}

fn numbered(place: &Path, number: u64) -> PathBuf {
    place.join(number.to_string())
}

/// Whether a folder holds exactly what was made for the run, and each of it is as it was made.
fn is_untouched(folder: &AttemptFolder) -> io::Result<bool> {
    let work = folder.work();
    let [outputs, logs] = KEPT.map(|kept| work.join(kept));
    Ok(holds(folder.root(), &["assignment", "stderr", "stdout", "tmp", "wd"])?
        && is_plain(&folder.assignment())?
        && is_plain(&folder.stdout())?
        && is_plain(&folder.stderr())?
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

/// Whether a path is a file of ours that has no second name.
fn is_plain(path: &Path) -> io::Result<bool> {
    let found = fs::symlink_metadata(path)?;
    Ok(found.is_file() && found.nlink() == 1 && is_ours(&found, 0o600))
}

/// A command with privileges may have given it away.
fn is_ours(found: &fs::Metadata, mode: u32) -> bool {
    found.mode() & 0o7777 == mode && found.uid() == rustix::process::geteuid().as_raw()
}

/// Whether a file has attributes that a run may have given it: its own, or an access list.
fn has_attributes(file: &File) -> io::Result<bool> {
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
fn open_folder(path: &Path) -> io::Result<File> {
    open(path, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    Ok(rustix::fs::open(path, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink},
    };

    use tidegate_scheduler::ids::Fence;

    use super::*;
    use crate::{
        attempts::Recovered,
        folder::{NodeFolder, tests::record},
    };

    fn inode(folder: &AttemptFolder) -> u64 {
        fs::metadata(folder.root()).unwrap().ino()
    }

    /// A folder as it is when its run has ended.
    fn made(node: &NodeFolder, fence: u64, printed: &str) -> AttemptFolder {
        let folder = node.attempt(Fence(fence));
        node.make(&folder).unwrap();
        folder.write_record(&record(fence)).unwrap();
        for log in [folder.stdout(), folder.stderr()] {
            let mut options = fs::OpenOptions::new();
            let mut log = options.append(true).create(true).mode(0o600).open(log).unwrap();
            log.write_all(printed.as_bytes()).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_that_was_left_as_it_was_is_used_again() {
        let temp = tempfile::tempdir().unwrap();
        let node = NodeFolder::open(temp.path()).unwrap();
        let first = made(&node, 1_000_000, "the first one's words");
        let of_first = inode(&first);
        node.put_away(&first).unwrap();
        assert!(!first.root().exists());
        let second = made(&node, 2, "");
        assert_eq!(inode(&second), of_first);
        assert_eq!(fs::read(second.stdout()).unwrap(), b"");
        // There is no other; what a later agent finds is each one's own.
        let third = made(&node, 3, "");
        assert_ne!(inode(&third), of_first);
        let found = node.recover().unwrap();
        let fences: Vec<u64> = found.iter().map(|(fence, _)| fence.0).collect();
        assert_eq!(fences, [2, 3]);
        for (fence, recovered) in found {
            assert!(matches!(recovered, Recovered::Prepared(of) if *of == record(fence.0)));
        }
        // A later agent begins with no spare ones.
        node.put_away(&second).unwrap();
        node.recover().unwrap();
        assert!(!temp.path().join("spare").exists());
        made(&NodeFolder::open(temp.path()).unwrap(), 4, "");
    }

    #[test]
    fn who_reads_a_log_never_reads_another_runs() {
        let temp = tempfile::tempdir().unwrap();
        let node = NodeFolder::open(temp.path()).unwrap();
        let first = made(&node, 1, "");
        let mut log = first.open_log(&first.stdout()).unwrap();
        node.put_away(&first).unwrap();
        assert!(!first.root().exists() && first.open_log(&first.stdout()).is_err());
        made(&node, 2, "words of the second");
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        assert_eq!(text, "");
        assert!(locked(&node.spares.read).is_empty());
    }

    #[test]
    fn what_was_touched_is_deleted() {
        type Touch = fn(&AttemptFolder) -> io::Result<()>;
        let touches: [(&str, Touch); 11] = [
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
            ("a second name", |folder| fs::hard_link(folder.stdout(), folder.root().join("../../again"))),
            ("no log", |folder| fs::remove_file(folder.stderr())),
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
            let folder = made(&node, 1, "");
            touch(&folder).unwrap();
            node.put_away(&folder).unwrap();
            assert!(!folder.root().exists(), "{what}");
            assert!(locked(&node.spares.free).is_empty(), "{what}");
        }
    }
}
