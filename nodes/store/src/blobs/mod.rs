//! Blobs by content, on one folder of this machine.
//!
//! ```text
//! small.db    blobs up to 64 KiB, in one table; one thread commits for all who wait
//! blobs/ab/…  larger ones, a file each, named by their digest
//! incoming/   files being written; removed at the next open if a crash left some
//! lock        held while the store is open
//! ```

mod error;
mod files;
mod list;
mod lock;
mod reader;
mod small;
mod sweep;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

pub use error::StoreError;
pub(crate) use files::sync_folder;
pub use lock::FolderLock;
pub use reader::BlobReader;
pub use sweep::{BlobInfo, BlobUsage, Removed};

use crate::Digest;
use files::BlobFiles;
use small::SmallBlobs;
use writer::{Counters, Done, Work, Writer};

/// How a store treats what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// Whether an acknowledged blob survives a power cut. A cache does without: it is faster, and where a
    /// power cut damages its database it starts empty.
    pub durable: bool,
    /// Blobs up to this many bytes go into the database, larger ones into files.
    pub small_limit: usize,
    /// Puts are refused when fewer bytes than this would stay free, so that a full disk stops submissions
    /// and not what else lives on it. Removing small blobs needs some room itself: leave a few megabytes.
    pub keep_free: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { durable: true, small_limit: 64 << 10, keep_free: 32 << 20 }
    }
}

/// Puts waiting for the writer; further ones block their callers until it has caught up.
const QUEUE: usize = 4096;

/// Bytes read at a time from a stream.
const CHUNK: usize = 256 << 10;

/// Content by its digest. Handles are cheap to clone and serve any thread; calls block.
#[derive(Clone)]
pub struct BlobStore {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    options: StoreOptions,
    files: BlobFiles,
    small: SmallBlobs,
    counters: Arc<Counters>,
    /// Gone once the last handle is: that ends the writer.
    queue: Option<SyncSender<Work>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    _lock: FolderLock,
}

impl BlobStore {
    /// Opens the store in `folder`, making it when there is none, for this process alone.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Format`], or what the operating system or the database refused.
    pub fn open(folder: impl Into<PathBuf>, options: StoreOptions) -> Result<Self, StoreError> {
        let folder = folder.into();
        make_private(&folder)?;
        let lock = FolderLock::take(&folder)?;
        let files = BlobFiles::open(&folder, options.durable, options.keep_free)?;
        let path = folder.join("small.db");
        let db = open_database(&path, options.durable)?;
        if options.durable {
            sync_folder(&folder)?;
            folder.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)?;
        }
        let writer = Writer::new(db, path.clone(), folder.clone(), options.keep_free)?;
        let counters = writer.counters();
        let (queue, work) = mpsc::sync_channel(QUEUE);
        let thread = thread::Builder::new()
            .name("blob-writer".into())
            .spawn(move || writer.run(work))
            .map_err(|e| StoreError::io("start the writer of", &folder, e))?;
        let inner = Inner {
            small: SmallBlobs::new(path),
            folder,
            options,
            files,
            counters,
            queue: Some(queue),
            writer: Mutex::new(Some(thread)),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The folder that the store lives in.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Looks whether there is room for anything at all.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] when less than [`StoreOptions::keep_free`] is left: until there is more, nothing is
    /// stored.
    pub fn check_room(&self) -> Result<(), StoreError> {
        error::check_room(&self.inner.folder, self.inner.options.keep_free, 0)
    }

    /// Stores `bytes`; when this returns they are synced (if the store is durable).
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], or another failure to write; nothing is stored then.
    pub fn put(&self, bytes: impl Into<Vec<u8>>) -> Result<Digest, StoreError> {
        let mut digests = self.put_many(vec![bytes.into()])?;
        Ok(digests.remove(0))
    }

    /// Stores several blobs, the small ones in one commit, and gives their digests in the same order.
    ///
    /// # Errors
    /// As [`put`](Self::put); some of the large ones may be stored then.
    pub fn put_many(&self, blobs: Vec<Vec<u8>>) -> Result<Vec<Digest>, StoreError> {
        let (digests, small) = self.put_large(blobs)?;
        if !small.is_empty() {
            self.wait_for(|done| Work::Put { blobs: small, done })?;
        }
        Ok(digests)
    }

    /// As [`put_many`](Self::put_many), but returns when the blobs are queued: `done` is called on the
    /// writer's thread once they are synced or have failed, and must be quick. For callers that must not
    /// wait; large blobs, though, are written before this returns.
    pub fn put_many_then(
        &self,
        blobs: Vec<Vec<u8>>,
        done: impl FnOnce(Result<Vec<Digest>, StoreError>) + Send + 'static,
    ) {
        match self.put_large(blobs) {
            Ok((digests, blobs)) => {
                let done: Done<()> = Box::new(|result| done(result.map(|()| digests)));
                self.send(Work::Put { blobs, done });
            }
            Err(error) => done(Err(error)),
        }
    }

    /// Stores what `reader` gives, up to `limit` bytes, without holding more than a part in memory.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] when the bytes are not those `expected`, [`StoreError::TooLarge`],
    /// [`StoreError::Source`] when reading fails, or a failure to write. Nothing is kept then.
    pub fn put_stream(
        &self,
        mut reader: impl Read,
        expected: Option<Digest>,
        limit: u64,
    ) -> Result<(Digest, u64), StoreError> {
        let mut buffer = vec![0; CHUNK.max(self.inner.options.small_limit + 1)];
        let mut filled = fill(&mut reader, &mut buffer)?;
        if filled as u64 > limit {
            return Err(StoreError::TooLarge { limit });
        }
        if filled <= self.inner.options.small_limit {
            buffer.truncate(filled);
            return self.put_expected(buffer, expected);
        }
        let mut incoming = self.inner.files.begin()?;
        let mut total = 0;
        while filled > 0 {
            total += filled as u64;
            if total > limit {
                return Err(StoreError::TooLarge { limit });
            }
            incoming.write(&buffer[..filled])?;
            filled = fill(&mut reader, &mut buffer)?;
        }
        incoming.finish(expected)
    }

    /// The whole blob, checked against its digest; nothing when it is not stored here.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the content does not have the digest, or a failure to read.
    pub fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(bytes) = self.inner.small.get(digest)? {
            return Ok(Some(bytes));
        }
        let Some((mut file, length, place)) = self.inner.files.open_blob(digest)? else {
            return Ok(None);
        };
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.read_to_end(&mut bytes).map_err(|e| StoreError::io("read", &place, e))?;
        if Digest::of(&bytes) != *digest {
            return Err(StoreError::Damaged { digest: *digest, place });
        }
        Ok(Some(bytes))
    }

    /// The blob, to be read piece by piece; nothing when it is not stored here.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for a damaged small blob, or a failure to read; see [`BlobReader`] for large
    /// ones.
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<BlobReader>, StoreError> {
        if let Some(bytes) = self.inner.small.get(digest)? {
            return Ok(Some(BlobReader::of_memory(bytes)));
        }
        let opened = self.inner.files.open_blob(digest)?;
        Ok(opened.map(|(file, length, place)| BlobReader::of_file(file, length, *digest, place)))
    }

    /// The blob's size in bytes; nothing when it is not stored here.
    ///
    /// # Errors
    /// A failure to read.
    pub fn len(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        match self.inner.small.len(digest)? {
            Some(length) => Ok(Some(length)),
            None => self.inner.files.len(digest),
        }
    }

    /// Those of `digests` that are not stored here, in the same order.
    ///
    /// # Errors
    /// A failure to read.
    pub fn missing(&self, digests: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        let mut missing = Vec::new();
        for digest in digests {
            if self.len(digest)?.is_none() {
                missing.push(*digest);
            }
        }
        Ok(missing)
    }

    /// The blob's bytes for somebody who checks them; a large one is not checked here.
    pub(crate) fn open_unchecked(&self, digest: &Digest) -> Result<Option<Box<dyn Read>>, StoreError> {
        if let Some(bytes) = self.inner.small.get(digest)? {
            return Ok(Some(Box::new(std::io::Cursor::new(bytes))));
        }
        let opened = self.inner.files.open_blob(digest)?;
        Ok(opened.map(|(file, _, _)| Box::new(file) as Box<dyn Read>))
    }

    /// The file of a blob that has one of its own.
    pub(crate) fn file_of(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.inner.files.place(digest)).filter(|place| place.exists())
    }

    fn put_expected(&self, bytes: Vec<u8>, expected: Option<Digest>) -> Result<(Digest, u64), StoreError> {
        let actual = Digest::of(&bytes);
        if let Some(expected) = expected
            && expected != actual
        {
            return Err(StoreError::Mismatch { expected, actual });
        }
        let length = bytes.len() as u64;
        self.inner.counters.puts.fetch_add(1, Relaxed);
        self.wait_for(|done| Work::Put { blobs: vec![(actual, bytes)], done })?;
        Ok((actual, length))
    }

    /// Writes the large ones among `blobs`; gives all digests, and the small ones with theirs.
    fn put_large(&self, blobs: Vec<Vec<u8>>) -> Result<Sorted, StoreError> {
        let mut digests = Vec::with_capacity(blobs.len());
        let mut small = Vec::new();
        for bytes in blobs {
            let digest = Digest::of(&bytes);
            digests.push(digest);
            if bytes.len() <= self.inner.options.small_limit {
                small.push((digest, bytes));
            } else if !self.inner.files.touch(&digest, Some(bytes.len() as u64))? {
                let mut incoming = self.inner.files.begin()?;
                incoming.write(&bytes)?;
                incoming.finish(Some(digest))?;
            }
        }
        self.inner.counters.puts.fetch_add(small.len() as u64, Relaxed);
        Ok((digests, small))
    }

    fn wait_for<T: Send + 'static>(&self, work: impl FnOnce(Done<T>) -> Work) -> Result<T, StoreError> {
        let (tell, told) = mpsc::sync_channel(1);
        // Nobody can have stopped listening: this function does, below.
        self.send(work(Box::new(move |result| drop(tell.send(result)))));
        told.recv().unwrap_or_else(|_| {
            Err(StoreError::Stopped {
                folder: self.inner.folder.clone(),
                cause: "the writer panicked".into(),
            })
        })
    }

    fn send(&self, work: Work) {
        let Some(queue) = &self.inner.queue else { return };
        if let Err(mpsc::SendError(work)) = queue.send(work) {
            work.fail(&StoreError::Stopped {
                folder: self.inner.folder.clone(),
                cause: "the writer panicked".into(),
            });
        }
    }
}

/// The digests of all blobs, and the small ones among them.
type Sorted = (Vec<Digest>, Vec<(Digest, Vec<u8>)>);

impl fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStore").field("folder", &self.inner.folder).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.small.close();
        self.queue = None;
        let thread = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // A callback on the writer's own thread may have held the last handle.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!(folder = %self.folder.display(), "the writer of blobs panicked");
        }
    }
}

fn make_private(folder: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(folder).map_err(|e| StoreError::io("create", folder, e))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .map_err(|e| StoreError::io("set the permissions of", folder, e))
}

fn open_database(path: &Path, durable: bool) -> Result<rusqlite::Connection, StoreError> {
    match small::open_writer(path, durable) {
        Err(StoreError::Database { source, .. })
            if !durable
                && matches!(
                    source.sqlite_error_code(),
                    Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
                ) =>
        {
            tracing::warn!(path = %path.display(), error = %source, "the cache is damaged and starts empty");
            crate::sqlite::delete(path)?;
            small::open_writer(path, durable)
        }
        opened => opened,
    }
}

/// Reads until `buffer` is full or the bytes end.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, StoreError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(StoreError::Source(Arc::new(e))),
        }
    }
    Ok(filled)
}
