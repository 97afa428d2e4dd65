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
    while let Some(incoming) = quic.accept().await {
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            tracing::warn!(from = %incoming.remote_address(), "refused a peer: too many handshakes are under way");
            incoming.refuse();
            continue;
        };
        // Under load a sender must first prove that its address is real, which costs it a round trip.
        if slots.available_permits() < shared.config.max_handshakes / 2 && incoming.may_retry() {
            if let Err(error) = incoming.retry() {
                tracing::debug!(%error, "no address validation");
            }
            continue;
        }
        let (shared, done) = (shared.clone(), done.clone());
        tokio::spawn(async move {
            let address = incoming.remote_address();
            let accepted =
                handshake(incoming, &shared).await.map_err(|source| AcceptError { address, source });
            // Nobody accepts any more once the endpoint is dropped.
            let _dropped = done.send(accepted).await;
            drop(slot);
        });
    }
}

async fn handshake(incoming: quinn::Incoming, shared: &Shared) -> Result<Link, HelloError> {
    let deadline = shared.config.handshake_timeout;
    let connecting = incoming.accept().map_err(HelloError::lost)?;
    let connection = tokio::time::timeout(deadline, connecting)
        .await
        .map_err(|_| HelloError::Deadline { after: deadline })?
        .map_err(HelloError::lost)?;
    let peer = peer_of(&connection)
        .map_err(|error| HelloError::Closed(CloseReason::Untrusted { reason: error.to_string() }))?;
    Link::establish(connection, Side::Accepted, peer, &shared.hello, &shared.config).await
}
