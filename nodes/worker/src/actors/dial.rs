//! One controller's address: dials it for ever, and passes on what comes over each link until it closes.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use actix::Addr;
use tidegate_scheduler::{ids::Fence, time::Millis};
use tidegate_store::{
    node_wire::ToNode,
    wire::{BulkReply, BulkRequest},
};
use tidegate_transport::{
    bulk::BulkStream,
    close::{CloseCode, CloseReason},
    dial::{DialPolicy, Dialer},
    endpoint::Endpoint,
    error::BulkError,
    link::{Class, Link},
    tls::Role,
};
use tokio::sync::watch;

use super::{
    agent::{Agent, Happened, IsOver},
    link::{LinkActor, Lost, Opened},
};
use crate::{
    attempts::LinkId,
    folder::NodeFolder,
    link::{LogRequest, serve},
};

/// How many messages are taken off the link at once.
const AT_ONCE: usize = 512;

/// What it takes to dial one address, and whom to tell.
pub(super) struct Line {
    pub(super) address: SocketAddr,
    pub(super) endpoint: Endpoint,
    /// After how long without a word a link is given up.
    pub(super) idle: Duration,
    /// Sets the tries apart from others'.
    pub(super) seed: u64,
    pub(super) node: NodeFolder,
    pub(super) agent: Addr<Agent>,
    pub(super) links: Addr<LinkActor>,
}

impl Line {
    /// Dials until the other end of `wanted` is dropped. A link that is open then is closed by whoever dropped it.
    pub(super) async fn keep(self, mut wanted: watch::Receiver<()>) {
        let address = self.address;
        let policy = DialPolicy::new(self.seed);
        let find = move || async move { Ok(address) };
        let mut dialer = Dialer::new(self.endpoint.clone(), Role::Controller, policy, find);
        loop {
            let link = tokio::select! {
                biased;
                _dropped = wanted.changed() => return,
                link = dialer.link() => link,
            };
            let Ok(id) = self.links.send(Opened { address, link: link.clone() }).await else { return };
            // It may have been dropped before it was known that there is a link to close.
            if wanted.has_changed().is_err() {
                link.close(CloseCode::Done, "this controller is not wanted any more");
            }
            tracing::info!(controller = %link.peer(), %address, link = id.0, "connected");
            actix::spawn(serve_bulk(link.clone(), self.node.clone(), self.agent.clone()));
            let silence = self.listen(id, &link).await;
            let known = self.agent.send(Happened::Lost { link: id, silence }).await;
            if self.links.send(Lost(id)).await.is_err() || known.is_err() {
                return;
            }
        }
    }

    /// Passes on what a controller says, until the link closes; gives how long ago it was last there.
    async fn listen(&self, id: LinkId, link: &Link) -> Millis {
        let mut messages: Vec<ToNode> = Vec::new();
        let error = loop {
            let received = link.recv_many(Class::Control, &mut messages, AT_ONCE).await;
            let said = std::mem::take(&mut messages);
            if !said.is_empty() && self.agent.send(Happened::ControllerSays { link: id, said }).await.is_err()
            {
                return Millis(0);
            }
            if let Err(error) = received {
                break error;
            }
        };
        tracing::warn!(controller = %link.peer(), link = id.0, %error, "the link to a controller ended");
        let reason = link.close_reason();
        // A peer that has finished is not one to wait for.
        link.close(CloseCode::Done, "the controller has nothing more to say");
        match reason {
            Some(CloseReason::TimedOut) => Millis(u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX)),
            _ => Millis(0),
        }
    }
}

/// Answers a controller's requests until the link closes, whether it leads or not.
async fn serve_bulk(link: Link, node: NodeFolder, agent: Addr<Agent>) {
    loop {
        match link.accept_bulk::<BulkRequest>().await {
            Ok((request, stream)) => {
                let (node, agent) = (node.clone(), agent.clone());
                actix::spawn(async move {
                    if let Err(error) = answer(request, stream, &node, &agent).await {
                        tracing::debug!(%error, "a request of a controller was broken off");
                    }
                });
            }
            Err(BulkError::Closed(_)) => return,
            Err(error) => tracing::warn!(%error, "a request of a controller was not understood"),
        }
    }
}

async fn answer(
    request: BulkRequest,
    mut stream: BulkStream,
    node: &NodeFolder,
    agent: &Addr<Agent>,
) -> Result<(), BulkError> {
    let BulkRequest::ReadLog { fence, stream: which, offset, follow } = request else {
        let reason = "a node gives logs, and stores nothing for others".to_owned();
        stream.send.message(&BulkReply::Refused { reason }).await?;
        return stream.send.delivered().await;
    };
    let request = LogRequest { fence: Fence(fence), stream: which, offset, follow };
    // An agent that has ended is told as an attempt that is not here.
    let is_over = |fence| async move { agent.send(IsOver(fence)).await.ok().flatten() };
    let began = Instant::now();
    let served = serve(request, &node.attempt(request.fence), stream, is_over).await;
    tracing::debug!(fence = %request.fence, took = ?began.elapsed(), "a log was read");
    served
}
