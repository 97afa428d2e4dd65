//! Large blobs, one file each.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::error::check_room;
use super::writer::TOUCH_AFTER;
use super::{BlobInfo, StoreError};
use crate::{Digest, DigestWriter};

/// The folder of large blobs, and the one where they are written before they have a name.
#[derive(Debug)]
pub(super) struct BlobFiles {
    folder: PathBuf,
    incoming: PathBuf,
    durable: bool,
    keep_free: u64,
    next_name: AtomicU64,
    /// Digests whose file is being named or removed: one thread at a time decides about one name.
    claimed: Mutex<HashSet<Digest>>,
    released: Condvar,
    pub(super) blobs: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// Free space is looked at again after this many bytes of a stream.
const CHECK_ROOM_EVERY: u64 = 16 << 20;

impl BlobFiles {
    /// Opens `store/blobs`, removing what a crash left unfinished in `store/incoming`.
    pub(super) fn open(store: &Path, durable: bool, keep_free: u64) -> Result<Self, StoreError> {
        let files = Self {
            folder: store.join("blobs"),
            incoming: store.join("incoming"),
            durable,
            keep_free,
            next_name: AtomicU64::new(0),
            claimed: Mutex::default(),
            released: Condvar::new(),
            blobs: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        };
        make_folder(&files.folder)?;
        make_folder(&files.incoming)?;
        for entry in read_folder(&files.incoming)? {
            fs::remove_file(&entry).map_err(|e| StoreError::io("remove the unfinished", &entry, e))?;
        }
        for fan_out in 0..=u8::MAX {
            let folder = files.folder.join(format!("{fan_out:02x}"));
            make_folder(&folder)?;
            // A process killed between naming a file and syncing the folder left a name that may yet vanish.
            files.sync_folder(&folder)?;
        }
        files.sync_folder(&files.folder)?;
        files.walk(|_, length, _| {
            files.blobs.fetch_add(1, Relaxed);
            files.bytes.fetch_add(length, Relaxed);
        })?;
        Ok(files)
    }

    /// The file of a blob, whether or not it exists.
    pub(super) fn place(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder.join(&hex[..2]).join(&hex[2..])
    }

    /// A blob's size in bytes.
    pub(super) fn len(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        Ok(self.metadata(&self.place(digest))?.map(|metadata| metadata.len()))
    }

    /// The blob's file and size.
    pub(super) fn open_blob(&self, digest: &Digest) -> Result<Option<(File, u64, PathBuf)>, StoreError> {
        let place = self.place(digest);
        let wrap = |e| StoreError::io("open", &place, e);
        let file = match File::open(&place) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(wrap(e)),
        };
        let length = file.metadata().map_err(wrap)?.len();
        Ok(Some((file, length, place)))
    }

    /// A new file without a name.
    pub(super) fn begin(&self) -> Result<Incoming<'_>, StoreError> {
        check_room(&self.incoming, self.keep_free, 0)?;
        let path = self.incoming.join(self.next_name.fetch_add(1, Relaxed).to_string());
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o444) // nobody writes a blob again, and hard links share this mode
            .open(&path)
            .map_err(|e| StoreError::io("create", &path, e))?;
        Ok(Incoming { files: self, file, path, digest: DigestWriter::new(), length: 0, unchecked: 0 })
    }

    /// If the blob is stored, with this length where one is given, renews its time where it is old and says
    /// so.
    pub(super) fn touch(&self, digest: &Digest, length: Option<u64>) -> Result<bool, StoreError> {
        let _claim = self.claim(*digest);
        let place = self.place(digest);
        let Some(metadata) = self.metadata(&place)? else { return Ok(false) };
        if length.is_some_and(|length| length != metadata.len()) {
            return Ok(false);
        }
        if age(&metadata) > TOUCH_AFTER {
            let file = File::open(&place).map_err(|e| StoreError::io("open", &place, e))?;
            file.set_times(fs::FileTimes::new().set_modified(SystemTime::now()))
                .map_err(|e| StoreError::io("renew the time of", &place, e))?;
        }
        Ok(true)
    }

    /// Removes the blob unless it was stored again within `untouched_for`; gives its size if it went.
    pub(super) fn remove(&self, digest: &Digest, untouched_for: Duration) -> Result<Option<u64>, StoreError> {
        let _claim = self.claim(*digest);
        let place = self.place(digest);
        let Some(metadata) = self.metadata(&place)? else {
            return Ok(None);
        };
        if age(&metadata) < untouched_for {
            return Ok(None);
        }
        fs::remove_file(&place).map_err(|e| StoreError::io("remove", &place, e))?;
        self.blobs.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(metadata.len(), Relaxed);
        Ok(Some(metadata.len()))
    }

    /// Visits every blob with its size and the unix seconds when it was last stored.
    pub(super) fn walk(&self, mut visit: impl FnMut(Digest, u64, u64)) -> Result<(), StoreError> {
        for folder in read_folder(&self.folder)? {
            for path in read_folder(&folder)? {
                let Some(digest) = digest_of(&folder, &path) else {
                    tracing::warn!(path = %path.display(), "not a blob; left alone");
                    continue;
                };
                // Gone since it was listed: removed by a sweep.
                let Some(metadata) = self.metadata(&path)? else {
                    continue;
                };
                visit(digest, metadata.len(), u64::try_from(metadata.mtime()).unwrap_or(0));
            }
        }
        Ok(())
    }

    /// Up to `limit` blobs whose digests come after `after`, in the order of digests.
    pub(super) fn page(&self, after: Option<Digest>, limit: usize) -> Result<Vec<BlobInfo>, StoreError> {
        let mut found = Vec::new();
        let first = after.map_or(0, |digest| digest.as_bytes()[0]);
        for fan_out in first..=u8::MAX {
            let folder = self.folder.join(format!("{fan_out:02x}"));
            let names = read_folder(&folder)?;
            let mut digests: Vec<Digest> = names.iter().filter_map(|path| digest_of(&folder, path)).collect();
            digests.retain(|digest| Some(*digest) > after);
            digests.sort_unstable();
            for digest in digests {
                // Gone since it was listed: removed by a sweep.
                let Some(metadata) = self.metadata(&self.place(&digest))? else { continue };
                if found.len() >= limit {
                    return Ok(found);
                }
                let touched = u64::try_from(metadata.mtime()).unwrap_or(0);
                found.push(BlobInfo { digest, size: metadata.len(), touched });
            }
        }
        Ok(found)
    }

    fn metadata(&self, path: &Path) -> Result<Option<fs::Metadata>, StoreError> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StoreError::io("look at", path, e)),
        }
    }

    fn claim(&self, digest: Digest) -> Claim<'_> {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        while !claimed.insert(digest) {
            claimed = self.released.wait(claimed).unwrap_or_else(PoisonError::into_inner);
        }
        Claim { files: self, digest }
    }

    fn sync_folder(&self, folder: &Path) -> Result<(), StoreError> {
        if self.durable { sync_folder(folder) } else { Ok(()) }
    }
}

/// The only right to name or remove the file of one digest.
struct Claim<'a> {
    files: &'a BlobFiles,
    digest: Digest,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.files.claimed.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.digest);
        self.files.released.notify_all();
    }
}

/// A blob being written. Dropped unfinished, it leaves nothing.
pub(super) struct Incoming<'a> {
    files: &'a BlobFiles,
    file: File,
    path: PathBuf,
    digest: DigestWriter,
    length: u64,
    unchecked: u64,
}

impl Incoming<'_> {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.unchecked += bytes.len() as u64;
        if self.unchecked >= CHECK_ROOM_EVERY {
            check_room(&self.files.incoming, self.files.keep_free, self.unchecked)?;
            self.unchecked = 0;
        }
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|e| StoreError::io("write", &self.path, e))
    }

    /// Syncs the bytes and gives them their name, if they are those `expected`.
    pub(super) fn finish(mut self, expected: Option<Digest>) -> Result<(Digest, u64), StoreError> {
        let actual = std::mem::take(&mut self.digest).finish();
        if let Some(expected) = expected
            && expected != actual
        {
            return Err(StoreError::Mismatch { expected, actual });
        }
        let files = self.files;
        if files.touch(&actual, Some(self.length))? {
            return Ok((actual, self.length));
        }
        if files.durable {
            self.file.sync_all().map_err(|e| StoreError::io("sync", &self.path, e))?;
        }
        let _claim = files.claim(actual);
        let place = files.place(&actual);
        // Another thread may have named the same content while this one synced; a damaged file is replaced.
        let before = files.metadata(&place)?.map(|metadata| metadata.len());
        fs::rename(&self.path, &place).map_err(|e| StoreError::io("name", &place, e))?;
        files.sync_folder(place.parent().unwrap_or(&files.folder))?;
        if before.is_none() {
            files.blobs.fetch_add(1, Relaxed);
        }
        files.bytes.fetch_add(self.length.wrapping_sub(before.unwrap_or(0)), Relaxed);
        Ok((actual, self.length))
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        // Once renamed there is nothing to remove; what cannot be removed now is removed by the next open.
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %self.path.display(), "an unfinished blob stays until restart");
            }
            _ => {}
        }
    }
}

/// Makes the names in `folder` durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| StoreError::io("sync the folder", folder, e))
}

fn make_folder(folder: &Path) -> Result<(), StoreError> {
    match fs::create_dir(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(StoreError::io("create", folder, e)),
        _ => Ok(()),
    }
}

fn read_folder(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|e| StoreError::io("list", folder, e))
}

fn digest_of(folder: &Path, path: &Path) -> Option<Digest> {
    let mut hex = folder.file_name()?.to_str()?.to_owned();
    hex.push_str(path.file_name()?.to_str()?);
    Digest::from_hex(hex.as_bytes())
}

fn age(metadata: &fs::Metadata) -> Duration {
    // A time in the future, after the clock was set back, counts as now.
    metadata.modified().ok().and_then(|modified| modified.elapsed().ok()).unwrap_or_default()
}
