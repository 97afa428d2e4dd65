//! Listing what is stored, page by page: how a peer finds out what it lacks.

use super::{BlobInfo, BlobStore, StoreError};
use crate::Digest;

impl BlobStore {
    /// Up to `limit` blobs whose digests come after `after`, in the order of digests; fewer only at the end.
    /// Blobs that come and go meanwhile may be told or not.
    ///
    /// # Errors
    /// When the database or a folder cannot be read.
    pub fn digests_after(&self, after: Option<Digest>, limit: u32) -> Result<Vec<BlobInfo>, StoreError> {
        let small = self.inner.small.page(after, limit)?;
        let mut blobs = self.inner.files.page(after, limit as usize)?;
        blobs.extend(small.into_iter().map(|(digest, size, touched)| BlobInfo { digest, size, touched }));
        blobs.sort_unstable_by_key(|blob| blob.digest);
        // Stored both ways, when the bound between small and large was moved.
        blobs.dedup_by_key(|blob| blob.digest);
        blobs.truncate(limit as usize);
        Ok(blobs)
    }
}
