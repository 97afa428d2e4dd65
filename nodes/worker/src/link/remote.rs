//! The leader as somebody to ask: over its link, and again when that was lost or another controller leads.

use std::{future::Future, time::Duration};

use tidegate_store::{Digest, StoreError};
use tidegate_transport::{error::BulkError, link::Link};
use tokio::{sync::watch, time};

use crate::attempts::LinkId;

/// How long a request may be refused, or broken off on a link that lasts, before it is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between tries: short at first.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The link of the controller that leads.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) id: LinkId,
    pub(crate) link: Link,
}

/// The leader, whenever there is one.
#[derive(Debug, Clone)]
pub(crate) struct Remote(watch::Receiver<Option<Current>>);

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
    pub(crate) fn new(link: watch::Receiver<Option<Current>>) -> Self {
        Self(link)
    }

    /// The leader's link, once there is one that `fits`.
    async fn wait_for(&self, fits: impl Fn(&Current) -> bool) -> Current {
        let mut current = self.0.clone();
        let found = current.wait_for(|current| current.as_ref().is_some_and(&fits)).await;
        match found.ok().and_then(|found| found.clone()) {
            Some(found) => found,
            // The actor that keeps links is gone, and this process with it, soon.
            None => std::future::pending().await,
        }
    }

    /// Tries until it succeeds, or fails for good. A lost link is waited for as long as it takes; all else has its
    /// limit. What is under way when another controller comes to lead is broken off and tried again with that one: the
    /// former may be stopped or cut off, and would never answer.
    pub(super) async fn persist<T, F>(&self, mut attempt: impl FnMut(Link) -> F) -> Result<T, RemoteError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut pause = FIRST_PAUSE;
        let mut failing_since = None;
        loop {
            let Current { id, link } = self.wait_for(|current| current.link.close_reason().is_none()).await;
            let tried = tokio::select! {
                biased;
                tried = attempt(link.clone()) => Some(tried),
                _other = self.wait_for(|current| current.id != id) => None,
            };
            let error = match tried {
                Some(Ok(done)) => return Ok(done),
                Some(Err(Failure::Final(error))) => return Err(error),
                Some(Err(Failure::Refused(reason))) => RemoteError::Refused(reason),
                Some(Err(Failure::Bulk(error))) => RemoteError::Broken(error.to_string()),
                None => RemoteError::Broken("another controller leads now".to_owned()),
            };
            let leads = self.0.borrow().as_ref().is_some_and(|current| current.id == id);
            if leads && link.close_reason().is_none() {
                let since = *failing_since.get_or_insert_with(time::Instant::now);
                if since.elapsed() >= PATIENCE {
                    return Err(error);
                }
                tracing::warn!(%error, next_in = ?pause, "a transfer failed, trying on");
                let other = self.wait_for(|current| current.id != id);
                if time::timeout(pause, other).await.is_err() {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
            } else {
                tracing::info!(%error, "a transfer goes on with the next controller that leads");
            }
            failing_since = None;
            pause = FIRST_PAUSE;
        }
    }
}
