//! Snapshots of the state, each in one checked file.
//!
//! ```text
//! file = magic (8 bytes) | length of the point (4 bytes, little-endian) | point (MessagePack)
//!      | image | length of the image (8 bytes) | CRC-32 of all before it (4 bytes)
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tidegate_scheduler::consensus::SnapshotPoint;

use super::folder::{DataFolder, sync_folder};

const MAGIC: &[u8; 8] = b"TIDESNP1";
const SUFFIX: &str = ".snapshot";
const REFUSED_SUFFIX: &str = ".refused";
/// What the image's length and the checksum take.
const TRAILER: usize = 12;
/// The newest, and the one before it in case the newest turns out unreadable.
const KEPT: usize = 2;

/// Why a snapshot was not stored, or the folder could not be read.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What another controller sent is not what it said.
    #[error("the snapshot that arrived is not the one that was said")]
    Mismatch,
    /// What another controller sent is no whole snapshot.
    #[error("the snapshot that arrived cannot be used: {0}")]
    Damaged(String),
    /// Its point cannot be encoded.
    #[error("cannot encode the point of a snapshot: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
}

/// A stored snapshot that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file, under the name that it now has.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// What was found in the folder.
#[derive(Debug, Default)]
pub struct Latest {
    /// The newest snapshot that is whole, and its image.
    pub found: Option<(SnapshotPoint, Vec<u8>)>,
    /// Newer ones that are not, newest first.
    pub refused: Vec<Refused>,
}

/// The snapshots of one controller: the newest two are kept.
#[derive(Clone, Debug)]
pub struct SnapshotStore {
    folder: PathBuf,
}

impl SnapshotStore {
    /// The snapshots of `folder`.
    pub fn of(folder: &DataFolder) -> Self {
        Self { folder: folder.snapshots() }
    }

    /// Stores a snapshot durably, then removes all but the newest two. Until it is stored whole it has another
    /// name, so that a crash leaves nothing that looks like one.
    ///
    /// # Errors
    /// When the image cannot be read or the file cannot be written; then nothing has changed.
    pub fn save(&self, point: &SnapshotPoint, image: impl Read) -> Result<(), SnapshotError> {
        let path = self.path_of(point);
        let temporary = path.with_extension("new");
        let point = rmp_serde::to_vec(point)?;
        if let Err(source) = write(&temporary, &point, image) {
            // The first failure is the one to tell; what is left is overwritten by the next attempt.
            if let Err(error) = fs::remove_file(&temporary) {
                tracing::warn!(file = %temporary.display(), %error, "cannot remove half a snapshot");
            }
            return Err(SnapshotError::Io { action: "write", path: temporary, source });
        }
        fs::rename(&temporary, &path).map_err(at("name", &path))?;
        sync_folder(&self.folder).map_err(at("sync", &self.folder))?;
        self.prune()
    }

    /// Where a snapshot is kept.
    pub(super) fn path_of(&self, point: &SnapshotPoint) -> PathBuf {
        self.folder.join(format!("{:020}-{:020}{SUFFIX}", point.index, point.term))
    }

    /// Opens the file of a stored snapshot, to be sent as it is.
    ///
    /// # Errors
    /// When it is not there any more, or cannot be opened.
    pub fn open(&self, point: &SnapshotPoint) -> Result<File, SnapshotError> {
        let path = self.path_of(point);
        File::open(&path).map_err(at("open", &path))
    }

    /// Makes a file that was checked and synced one of the stored snapshots.
    pub(super) fn adopt(&self, file: &Path, point: &SnapshotPoint) -> Result<(), SnapshotError> {
        let path = self.path_of(point);
        fs::rename(file, &path).map_err(at("name", &path))?;
        sync_folder(&self.folder).map_err(at("sync", &self.folder))?;
        self.prune()
    }

    /// The newest snapshot that is whole. One that is truncated or has a flipped bit is put aside under another
    /// name, logged and reported, and the one before it is taken.
    ///
    /// # Errors
    /// When the folder or a file cannot be read at all.
    pub fn load_latest(&self) -> Result<Latest, SnapshotError> {
        let mut latest = Latest::default();
        for path in self.newest_first(SUFFIX)? {
            let bytes = fs::read(&path).map_err(at("read", &path))?;
            match read(bytes) {
                Ok(found) => {
                    latest.found = Some(found);
                    break;
                }
                Err(reason) => latest.refused.push(put_aside(&path, reason)?),
            }
        }
        Ok(latest)
    }

    /// Up to where the log may be compacted: the older one of two stored snapshots, so that either can be
    /// continued from the log. `None` while there is only one.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn compactable(&self) -> Result<Option<u64>, SnapshotError> {
        let newest = self.newest_first(SUFFIX)?;
        Ok(newest.get(KEPT - 1).and_then(|path| path.file_name()?.to_str()?.split('-').next()?.parse().ok()))
    }

    fn prune(&self) -> Result<(), SnapshotError> {
        let kept = self.newest_first(SUFFIX)?;
        for old in kept.iter().skip(KEPT) {
            fs::remove_file(old).map_err(at("remove", old))?;
        }
        for unfinished in self.newest_first(".new")? {
            fs::remove_file(&unfinished).map_err(at("remove", &unfinished))?;
        }
        // What arrives is of use only while it is newer than what is here.
        for part in self.newest_first(".part")? {
            if kept.first().is_some_and(|newest| part.file_name() < newest.file_name()) {
                fs::remove_file(&part).map_err(at("remove", &part))?;
            }
        }
        // A refused one is of no use once two newer ones are whole, but may be looked at until then.
        for refused in self.newest_first(REFUSED_SUFFIX)? {
            let superseded = kept.len() >= KEPT && kept.iter().take(KEPT).all(|whole| *whole > refused);
            if superseded {
                fs::remove_file(&refused).map_err(at("remove", &refused))?;
            }
        }
        Ok(())
    }

    /// Names sort as their indexes do.
    fn newest_first(&self, suffix: &str) -> Result<Vec<PathBuf>, SnapshotError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(at("list", &self.folder))? {
            let path = entry.map_err(at("list", &self.folder))?.path();
            if path.to_str().is_some_and(|path| path.ends_with(suffix)) {
                paths.push(path);
            }
        }
        paths.sort_unstable_by(|a, b| b.cmp(a));
        Ok(paths)
    }
}

fn put_aside(path: &Path, reason: String) -> Result<Refused, SnapshotError> {
    let file = path.with_extension(REFUSED_SUFFIX.trim_start_matches('.'));
    tracing::error!(file = %path.display(), %reason, "a stored snapshot is damaged: the one before it is used");
    fs::rename(path, &file).map_err(at("put aside", path))?;
    Ok(Refused { file, reason })
}

/// Sums what passes through.
struct Summing<W> {
    inner: W,
    sum: crc32fast::Hasher,
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.inner.write(bytes)?;
        self.sum.update(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn write(path: &Path, point: &[u8], mut image: impl Read) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut out = Summing { inner: BufWriter::with_capacity(1 << 18, file), sum: crc32fast::Hasher::new() };
    out.write_all(MAGIC)?;
    out.write_all(&(point.len() as u32).to_le_bytes())?;
    out.write_all(point)?;
    let len = io::copy(&mut image, &mut out)?;
    out.write_all(&len.to_le_bytes())?;
    let sum = out.sum.finalize();
    out.inner.write_all(&sum.to_le_bytes())?;
    let file: File = out.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

/// Takes a file apart; an error says why it is no snapshot.
pub(super) fn read(mut bytes: Vec<u8>) -> Result<(SnapshotPoint, Vec<u8>), String> {
    let (checked, sum) = bytes.split_last_chunk::<4>().ok_or("it is cut short")?;
    if !checked.starts_with(MAGIC) {
        return Err("it does not begin as a snapshot of a known format".into());
    }
    if crc32fast::hash(checked) != u32::from_le_bytes(*sum) {
        return Err("its checksum does not match: it is cut short or was changed".into());
    }
    let cut_short = "a length in it does not fit";
    let rest = &checked[MAGIC.len()..];
    let (point_len, rest) = rest.split_first_chunk::<4>().ok_or(cut_short)?;
    let (point, rest) = rest.split_at_checked(u32::from_le_bytes(*point_len) as usize).ok_or(cut_short)?;
    let (image, image_len) = rest.split_last_chunk::<8>().ok_or(cut_short)?;
    if image.len() as u64 != u64::from_le_bytes(*image_len) {
        return Err(cut_short.into());
    }
    let start = MAGIC.len() + 4 + point.len();
    let point = rmp_serde::from_slice(point).map_err(|error| format!("its point cannot be read: {error}"))?;
    bytes.truncate(bytes.len() - TRAILER);
    bytes.drain(..start);
    Ok((point, bytes))
}

pub(super) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SnapshotError {
    let path = path.to_path_buf();
    move |source| SnapshotError::Io { action, path, source }
}
