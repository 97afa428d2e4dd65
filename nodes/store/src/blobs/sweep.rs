//! Which blobs there are, and removing those nobody needs.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::error::free_bytes;
use super::writer::{TOUCH_AFTER, Work, unix_seconds};
use super::{BlobStore, StoreError};
use crate::Digest;

/// One stored blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its name.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last stored, in seconds since 1970; up to ten minutes too early.
    pub touched: u64,
}

/// What a removal did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many blobs went.
    pub blobs: u64,
    /// How many bytes they held.
    pub bytes: u64,
}

/// What a store holds and has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlobUsage {
    /// Blobs in the database.
    pub small_blobs: u64,
    /// Their bytes.
    pub small_bytes: u64,
    /// Blobs with a file of their own.
    pub file_blobs: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Bytes that may still be used on the store's file system.
    pub free_bytes: u64,
    /// Small blobs given to the store since it was opened, known ones included.
    pub puts: u64,
    /// Commits of small blobs since then; puts that wait together share one.
    pub commits: u64,
}

const PAGE: u32 = 1000;

impl BlobStore {
    /// What the store holds.
    ///
    /// # Errors
    /// When the file system does not tell its free space.
    pub fn usage(&self) -> Result<BlobUsage, StoreError> {
        let (counters, files) = (&self.inner.counters, &self.inner.files);
        Ok(BlobUsage {
            small_blobs: counters.blobs.load(Relaxed),
            small_bytes: counters.bytes.load(Relaxed),
            file_blobs: files.blobs.load(Relaxed),
            file_bytes: files.bytes.load(Relaxed),
            free_bytes: free_bytes(self.folder())
                .map_err(|e| StoreError::io("ask for the free space of", self.folder(), e))?,
            puts: counters.puts.load(Relaxed),
            commits: counters.commits.load(Relaxed),
        })
    }

    /// Visits every blob, in no particular order. Blobs stored or removed meanwhile may be missed or seen.
    ///
    /// # Errors
    /// When the database or a folder cannot be read.
    pub fn for_each(&self, mut visit: impl FnMut(BlobInfo)) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            // Page by page, so that no read transaction keeps the write-ahead log from being emptied.
            let page = self.inner.small.page(after, PAGE)?;
            after = page.last().map(|(digest, _, _)| *digest);
            let last = page.len() < PAGE as usize;
            for (digest, size, touched) in page {
                visit(BlobInfo { digest, size, touched });
            }
            if last {
                break;
            }
        }
        self.inner.files.walk(|digest, size, touched| visit(BlobInfo { digest, size, touched }))
    }

    /// Those of `digests` that are not stored here, in the same order; the others count as stored again just
    /// now, so that no sweep takes them before whoever asks has referred to them.
    ///
    /// # Errors
    /// When the database or a file cannot be read or written.
    pub fn hold(&self, digests: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        let young = unix_seconds().saturating_sub(TOUCH_AFTER.as_secs());
        let (mut missing, mut old) = (Vec::new(), Vec::new());
        for digest in digests {
            match self.inner.small.touched(digest)? {
                Some(touched) if touched >= young => {}
                Some(_) => old.push(*digest),
                None if self.inner.files.touch(digest, None)? => {}
                None => missing.push(*digest),
            }
        }
        if !old.is_empty() {
            let asked = old.clone();
            let there = self.wait_for(|done| Work::Touch { digests: asked, done })?;
            // Removed between the two looks.
            missing.extend(old.into_iter().filter(|digest| !there.contains(digest)));
            missing.sort_by_key(|digest| digests.iter().position(|asked| asked == digest));
        }
        Ok(missing)
    }

    /// Removes those of `digests` that are stored here and that nobody stored again within `untouched_for`.
    ///
    /// The age protects content that somebody was just told is stored, and is about to refer to: with
    /// [`Duration::ZERO`] everything named goes; otherwise use twenty minutes or more, because the time of
    /// last storing is only kept to ten.
    ///
    /// # Errors
    /// When the database or a file cannot be written; some of the blobs may be gone then.
    pub fn remove(&self, digests: &[Digest], untouched_for: Duration) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        for digest in digests {
            if let Some(size) = self.inner.files.remove(digest, untouched_for)? {
                removed.add(size);
            }
        }
        for digests in digests.chunks(PAGE as usize) {
            let digests = digests.to_vec();
            let gone = self.wait_for(|done| Work::Remove { digests, untouched_for, done })?;
            gone.into_iter().for_each(|(_, size)| removed.add(size));
        }
        Ok(removed)
    }

    /// Removes every blob that `keep` does not want and that nobody stored within `untouched_for`.
    ///
    /// # Errors
    /// As [`remove`](Self::remove) and [`for_each`](Self::for_each).
    pub fn sweep(
        &self,
        untouched_for: Duration,
        mut keep: impl FnMut(&Digest) -> bool,
    ) -> Result<Removed, StoreError> {
        let mut unwanted = Vec::new();
        self.for_each(|blob| {
            if !keep(&blob.digest) {
                unwanted.push(blob.digest);
            }
        })?;
        self.remove(&unwanted, untouched_for)
    }

    /// Removes the blobs stored longest ago until the store holds at most `max_bytes`: for a cache.
    ///
    /// # Errors
    /// As [`remove`](Self::remove) and [`for_each`](Self::for_each).
    pub fn shrink_to(&self, max_bytes: u64) -> Result<Removed, StoreError> {
        let mut blobs = Vec::new();
        self.for_each(|blob| blobs.push(blob))?;
        blobs.sort_unstable_by_key(|blob| (blob.touched, blob.digest));
        let mut held: u64 = blobs.iter().map(|blob| blob.size).sum();
        let mut oldest = Vec::new();
        for blob in blobs {
            if held <= max_bytes {
                break;
            }
            held -= blob.size;
            oldest.push(blob.digest);
        }
        self.remove(&oldest, Duration::ZERO)
    }
}

impl Removed {
    fn add(&mut self, size: u64) {
        self.blobs += 1;
        self.bytes += size;
    }
}
