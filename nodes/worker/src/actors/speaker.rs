//! What is said on one link, in the order in which it was said, however slowly the controller takes it: nobody waits
//! for a leader that no longer reads.

use std::time::Duration;

use tidegate_store::node_wire::FromNode;
use tidegate_transport::{
    close::CloseCode,
    error::SendError,
    link::{Class, Link},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::attempts::LinkId;

/// The way out to the controller that leads.
pub(super) struct Speaker {
    id: LinkId,
    link: Link,
    words: mpsc::UnboundedSender<FromNode>,
    speaking: JoinHandle<()>,
}

impl Speaker {
    pub(super) fn new(id: LinkId, link: Link) -> Self {
        let (words, waiting) = mpsc::unbounded_channel();
        let speaking = actix::spawn(speak(link.clone(), waiting));
        Self { id, link, words, speaking }
    }

    pub(super) fn id(&self) -> LinkId {
        self.id
    }

    pub(super) fn say(&self, message: FromNode) {
        if self.words.send(message).is_err() {
            // All that matters is said again to whoever leads next.
            tracing::debug!("a message was not sent: the link has closed");
        }
    }

    /// Says no more, not even what waits: another leads now, and is told by itself what there is.
    pub(super) fn break_off(self) {
        self.speaking.abort();
    }

    /// Says what is left to be said, and closes the link.
    pub(super) async fn finish(self, why: &str, patience: Duration) {
        let Self { link, words, speaking, .. } = self;
        let deadline = Instant::now() + patience;
        drop(words);
        let said = matches!(timeout_at(deadline, speaking).await, Ok(Ok(())));
        let left = deadline.saturating_duration_since(Instant::now());
        let delivered = link.shutdown(CloseCode::Shutdown, why, left).await;
        if !(said && delivered) {
            tracing::warn!("the controller may not have heard all that there was to say");
        }
    }
}

async fn speak(link: Link, mut waiting: mpsc::UnboundedReceiver<FromNode>) {
    while let Some(message) = waiting.recv().await {
        match link.send(Class::Control, &message).await {
            Ok(()) => {}
            Err(SendError::Closed(reason)) => return tracing::debug!(%reason, "a message was not sent"),
            Err(error @ (SendError::Full | SendError::Frame(_))) => {
                tracing::error!(%error, "a message cannot be sent");
            }
        }
    }
}
