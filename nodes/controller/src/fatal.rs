//! What a controller cannot go on after: told once, to whoever runs it.

use tokio::sync::watch;

/// Where it is told; clones share it.
#[derive(Clone, Debug)]
pub struct Fatal(watch::Sender<Option<String>>);

impl Default for Fatal {
    fn default() -> Self {
        Fatal(watch::Sender::new(None))
    }
}

impl Fatal {
    /// Tells it; the first stands.
    pub fn report(&self, reason: String) {
        tracing::error!(%reason, "the controller cannot go on");
        self.0.send_if_modified(|told| {
            let first = told.is_none();
            told.get_or_insert(reason);
            first
        });
    }

    /// Waits for it.
    pub async fn happened(&self) -> String {
        let mut told = self.0.subscribe();
        match told.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // This handle is itself a sender.
            Err(_) => std::future::pending().await,
        }
    }
}
