//! Lets peers in: each handshake in a task of its own, a bounded number of them.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::{Shared, peer_of};
use crate::{
    close::CloseReason,
    error::{AcceptError, HelloError},
    link::{Link, setup::Side},
};

/// Accepts until the endpoint closes.
pub(super) async fn run(
    quic: quinn::Endpoint,
    shared: Arc<Shared>,
    done: mpsc::Sender<Result<Link, AcceptError>>,
) {
    let slots = Arc::new(Semaphore::new(shared.config.max_handshakes));
    let mut crowded = false;
    while let Some(incoming) = quic.accept().await {
        let address = incoming.remote_address();
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            // Said once for each time that it comes to this: strangers must not fill the log.
            if !std::mem::replace(&mut crowded, true) {
                let limit = shared.config.max_handshakes;
                tracing::warn!(from = %address, limit, "peers are refused: too many handshakes are under way");
            }
            incoming.refuse();
            continue;
        };
        crowded = false;
        // Under load a sender must first prove that its address is real, which costs it a round trip.
        if slots.available_permits() < shared.config.max_handshakes / 2 && incoming.may_retry() {
            if let Err(error) = incoming.retry() {
                tracing::debug!(%error, "no address validation");
            }
            continue;
        }
        // Garbage that begins like a first packet comes this far, and no further: it is no peer that was turned away.
        let connecting = match incoming.accept() {
            Ok(connecting) => connecting,
            Err(error) => {
                tracing::debug!(from = %address, %error, "dropped a first packet");
                continue;
            }
        };
        let (shared, done) = (shared.clone(), done.clone());
        tokio::spawn(async move {
            let accepted =
                handshake(connecting, &shared).await.map_err(|source| AcceptError { address, source });
            // Nobody accepts any more once the endpoint is dropped.
            let _dropped = done.send(accepted).await;
            drop(slot);
        });
    }
}

async fn handshake(connecting: quinn::Connecting, shared: &Shared) -> Result<Link, HelloError> {
    let deadline = shared.config.handshake_timeout;
    let connection = tokio::time::timeout(deadline, connecting)
        .await
        .map_err(|_| HelloError::Deadline { after: deadline })?
        .map_err(HelloError::lost)?;
    let peer = peer_of(&connection)
        .map_err(|error| HelloError::Closed(CloseReason::Untrusted { reason: error.to_string() }))?;
    Link::establish(connection, Side::Accepted, peer, &shared.hello, &shared.config).await
}
