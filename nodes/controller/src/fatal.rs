//! What a controller cannot go on after: told once, to whoever runs it.

use tokio::sync::watch;

/// Tells when the actor that has it ends by a panic: the controller would go on half alive.
#[derive(Debug)]
pub(crate) struct PanicGuard(pub(crate) Fatal, pub(crate) &'static str);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.report(format!("{} panicked", self.1));
        }
    }
}

/// Told when this controller is no longer of the cluster; clones share it.
#[derive(Clone, Debug)]
pub struct Removed(watch::Sender<bool>);

impl Default for Removed {
    fn default() -> Self {
        Removed(watch::Sender::new(false))
    }
}

impl Removed {
    /// Tells it.
    pub(crate) fn report(&self) {
        if !self.0.send_replace(true) {
            tracing::warn!("this controller was removed from the cluster");
        }
    }

    /// Waits for it.
    pub async fn happened(&self) {
        // This handle is itself a sender: the wait ends only when it is told.
        drop(self.0.subscribe().wait_for(|removed| *removed).await);
    }
}

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
