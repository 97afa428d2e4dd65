//! Contents that were fetched, for runs that need the same.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use tidegate_store::{BlobStore, StoreError, StoreOptions};
use tokio::sync::Mutex;

/// The node's cache, opened when it is first needed: most nodes of short runs never do.
#[derive(Debug, Clone)]
pub(crate) struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    keep_free: u64,
    limit: u64,
    store: OnceLock<BlobStore>,
    opening: Mutex<()>,
}

impl Cache {
    pub(crate) fn new(folder: PathBuf, keep_free: u64, limit: u64) -> Self {
        Self(Arc::new(Inner { folder, keep_free, limit, store: OnceLock::new(), opening: Mutex::default() }))
    }

    /// The store, opened on a thread of its own.
    pub(crate) async fn open(&self) -> Result<BlobStore, StoreError> {
        let _one_opens = self.0.opening.lock().await;
        if let Some(store) = self.0.store.get() {
            return Ok(store.clone());
        }
        let (folder, keep_free) = (self.0.folder.clone(), self.0.keep_free);
        let options = StoreOptions { durable: false, keep_free, ..StoreOptions::default() };
        let store = blocking(move || BlobStore::open(folder, options)).await?;
        Ok(self.0.store.get_or_init(|| store).clone())
    }

    /// Drops what was fetched longest ago, if there is more than may be kept. What a preparation under way still needs
    /// and is dropped, it fetches again.
    pub(crate) async fn shrink(&self) -> Result<(), StoreError> {
        let Some(store) = self.0.store.get().cloned() else { return Ok(()) };
        let limit = self.0.limit;
        blocking(move || {
            let usage = store.usage()?;
            if usage.small_bytes + usage.file_bytes > limit {
                let removed = store.shrink_to(limit)?;
                tracing::info!(
                    blobs = removed.blobs,
                    bytes = removed.bytes,
                    "the cache was full, and has room again"
                );
            }
            Ok(())
        })
        .await
    }
}

/// Work on a store, on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panicked| Err(StoreError::Source(Arc::new(std::io::Error::other(panicked)))))
}
