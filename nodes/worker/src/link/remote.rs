//! The controller as somebody to ask: over whichever link there is, and again when a link was lost.

use std::{future::Future, time::Duration};

use tidegate_store::{Digest, StoreError};
use tidegate_transport::{error::BulkError, link::Link};
use tokio::{sync::watch, time};

/// How long a request may be refused, or broken off on a link that lasts, before it is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between tries: short at first.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The controller, whenever one is connected.
#[derive(Debug, Clone)]
pub(crate) struct Remote(watch::Receiver<Option<Link>>);

/// Why a content was not fetched or stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// The controller does not have it.
    #[error("the controller does not have blob {0}")]
    Missing(Digest),
    /// The controller said no, for as long as we asked.
    #[error("the controller refuses: {0}")]
    Refused(String),
    /// It was broken off, time and again.
    #[error("the transfer broke off: {0}")]
    Broken(String),
    /// This side's own disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This side's own files.
    #[error("{0}")]
    Local(String),
}

/// Why one try failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Trying again would not help.
    Final(RemoteError),
    /// It may.
    Refused(String),
    /// The stream or the link broke.
    Bulk(BulkError),
}

impl From<BulkError> for Failure {
    fn from(error: BulkError) -> Self {
        Self::Bulk(error)
    }
}

impl<E: Into<RemoteError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

impl Remote {
    pub(crate) fn new(link: watch::Receiver<Option<Link>>) -> Self {
        Self(link)
    }

    /// The link, once there is one.
    async fn link(&self) -> Link {
        let mut current = self.0.clone();
        loop {
            if let Some(link) = current.borrow_and_update().clone()
                && link.close_reason().is_none()
            {
                return link;
            }
            if current.changed().await.is_err() {
                // The actor that keeps links is gone, and this process with it, soon.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Tries until it succeeds, or fails for good. A lost link is waited for as long as it takes; all else has its
    /// limit.
    pub(super) async fn persist<T, F>(&self, mut attempt: impl FnMut(Link) -> F) -> Result<T, RemoteError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut pause = FIRST_PAUSE;
        let mut failing_since = None;
        loop {
            let link = self.link().await;
            let error = match attempt(link.clone()).await {
                Ok(done) => return Ok(done),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Refused(reason)) => RemoteError::Refused(reason),
                Err(Failure::Bulk(error)) => RemoteError::Broken(error.to_string()),
            };
            if link.close_reason().is_none() {
                let since = *failing_since.get_or_insert_with(time::Instant::now);
                if since.elapsed() >= PATIENCE {
                    return Err(error);
                }
                tracing::warn!(%error, next_in = ?pause, "a transfer failed, trying on");
                time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            } else {
                tracing::info!(%error, "a transfer goes on once a controller is there again");
                failing_since = None;
                pause = FIRST_PAUSE;
            }
        }
    }
}
