//! The actor that owns the link to a controller: dials, again and again, and carries messages both ways.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use tidegate_scheduler::{ids::Fence, message::FromWorker, time::Millis};
use tidegate_store::{
    node_wire::{FromNode, ToNode},
    wire::{BulkReply, BulkRequest},
};
use tidegate_transport::{
    bulk::BulkStream,
    close::{CloseCode, CloseReason},
    dial::{DialPolicy, Dialer},
    endpoint::Endpoint,
    error::{BulkError, SendError},
    link::{Class, Link},
    tls::Role,
};
use tokio::sync::watch;

use super::agent::{Agent, Happened, IsOver};
use crate::{
    attempts::Parcel,
    folder::NodeFolder,
    link::{LogRequest, next_address, serve},
};

/// How often a controller hears that the node is there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How many messages are taken off the link at once.
const AT_ONCE: usize = 512;
/// How long the last words may take when the node leaves.
const FAREWELL: Duration = Duration::from_secs(2);

/// What dialing needs.
#[derive(Clone)]
pub(crate) struct Dialing {
    pub(crate) endpoint: Endpoint,
    /// Where controllers are.
    pub(crate) addresses: PathBuf,
    /// After how long without a word a link is given up.
    pub(crate) idle: Duration,
    /// Sets this node's tries apart from others'.
    pub(crate) seed: u64,
    /// Where transfers find the link.
    pub(crate) current: watch::Sender<Option<Link>>,
    pub(crate) node: NodeFolder,
}

/// The actor.
pub(crate) struct LinkActor {
    dialing: Dialing,
    agent: Addr<Agent>,
    /// The link, and which connection it is.
    link: Option<(u64, Link)>,
    dials: bool,
}

impl LinkActor {
    pub(crate) fn new(dialing: Dialing, agent: Addr<Agent>) -> Self {
        Self { dialing, agent, link: None, dials: false }
    }

    fn send(&mut self, message: FromNode, ctx: &mut Context<LinkActor>) {
        let Some((_, link)) = &self.link else { return };
        match link.try_send(Class::Control, &message) {
            Ok(()) => {}
            Err(SendError::Full) => {
                let link = link.clone();
                let sending = async move { link.send(Class::Control, &message).await };
                ctx.wait(sending.into_actor(self).map(|sent, _, _| {
                    if let Err(error) = sent {
                        tracing::debug!(%error, "a message was not sent");
                    }
                }));
            }
            Err(SendError::Frame(error)) => tracing::error!(%error, "a message cannot be sent"),
            // All that matters is said again on the next one.
            Err(SendError::Closed(reason)) => tracing::debug!(%reason, "a message was not sent"),
        }
    }
}

impl Actor for LinkActor {
    type Context = Context<LinkActor>;

    fn started(&mut self, ctx: &mut Context<LinkActor>) {
        ctx.set_mailbox_capacity(usize::MAX >> 3);
        ctx.run_interval(HEARTBEAT, |actor, ctx| actor.send(FromNode::Say(FromWorker::Heartbeat), ctx));
    }
}

/// Begin to dial.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Dial;

impl Handler<Dial> for LinkActor {
    type Result = ();

    fn handle(&mut self, _: Dial, ctx: &mut Context<LinkActor>) {
        if !std::mem::replace(&mut self.dials, true) {
            let dialing = dial(self.dialing.clone(), self.agent.clone(), ctx.address());
            ctx.spawn(dialing.into_actor(self));
        }
    }
}

/// A message for the controller, if the connection is still the one that it is meant for.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Send {
    pub(super) connection: u64,
    pub(super) message: FromNode,
}

impl Send {
    pub(super) fn parcel(connection: u64, Parcel { report, blobs }: Parcel) -> Self {
        Self { connection, message: FromNode::Ended { report, blobs } }
    }
}

impl Handler<Send> for LinkActor {
    type Result = ();

    fn handle(&mut self, Send { connection, message }: Send, ctx: &mut Context<LinkActor>) {
        if self.link.as_ref().is_some_and(|(current, _)| *current == connection) {
            self.send(message, ctx);
        }
    }
}

/// There is another link, or none.
#[derive(Message)]
#[rtype(result = "()")]
struct Changed(Option<(u64, Link)>);

impl Handler<Changed> for LinkActor {
    type Result = ();

    fn handle(&mut self, Changed(link): Changed, _: &mut Context<LinkActor>) {
        self.dialing.current.send_replace(link.as_ref().map(|(_, link)| link.clone()));
        self.link = link;
    }
}

/// Say what is left to be said, and close.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct HangUp;

impl Handler<HangUp> for LinkActor {
    type Result = actix::ResponseFuture<()>;

    fn handle(&mut self, _: HangUp, _: &mut Context<LinkActor>) -> Self::Result {
        let link = self.link.take();
        Box::pin(async move {
            if let Some((_, link)) = link {
                link.shutdown(CloseCode::Shutdown, "the node leaves", FAREWELL).await;
            }
        })
    }
}

/// Dials for ever; for each link, reads it until it closes.
async fn dial(dialing: Dialing, agent: Addr<Agent>, actor: Addr<LinkActor>) {
    let mut turn = 0;
    let file = dialing.addresses.clone();
    let address = move || {
        let address = next_address(&file, turn);
        turn += 1;
        async move { address }
    };
    let policy = DialPolicy::new(dialing.seed);
    let mut dialer = Dialer::new(dialing.endpoint.clone(), Role::Controller, policy, address);
    let mut connection = 0;
    loop {
        let link = dialer.link().await;
        connection += 1;
        tracing::info!(controller = %link.peer(), address = %link.remote_addr(), "connected");
        let known = actor.send(Changed(Some((connection, link.clone())))).await;
        if known.is_err() || agent.send(Happened::Attached { connection }).await.is_err() {
            return;
        }
        actix::spawn(serve_bulk(link.clone(), dialing.node.clone(), agent.clone()));
        let silence = listen(&link, &agent, dialing.idle).await;
        if matches!(link.close_reason(), Some(CloseReason::Here { code: CloseCode::Shutdown, .. })) {
            // The node leaves: nobody is to be told again what there is.
            return;
        }
        if actor.send(Changed(None)).await.is_err()
            || agent.send(Happened::Detached { silence }).await.is_err()
        {
            return;
        }
    }
}

/// Passes on what a controller says, until the link closes; gives how long ago it was last there.
async fn listen(link: &Link, agent: &Addr<Agent>, idle: Duration) -> Millis {
    let mut messages: Vec<ToNode> = Vec::new();
    let error = loop {
        let received = link.recv_many(Class::Control, &mut messages, AT_ONCE).await;
        if !messages.is_empty()
            && agent.send(Happened::ControllerSays(std::mem::take(&mut messages))).await.is_err()
        {
            return Millis(0);
        }
        if let Err(error) = received {
            break error;
        }
    };
    tracing::warn!(controller = %link.peer(), %error, "the link to the controller ended");
    let reason = link.close_reason();
    // A peer that has finished is not one to wait for.
    link.close(CloseCode::Done, "the controller has nothing more to say");
    match reason {
        Some(CloseReason::TimedOut) => Millis(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)),
        _ => Millis(0),
    }
}

/// Answers the controller's requests until the link closes.
async fn serve_bulk(link: Link, node: NodeFolder, agent: Addr<Agent>) {
    loop {
        match link.accept_bulk::<BulkRequest>().await {
            Ok((request, stream)) => {
                let (node, agent) = (node.clone(), agent.clone());
                actix::spawn(async move {
                    if let Err(error) = answer(request, stream, &node, &agent).await {
                        tracing::debug!(%error, "a request of the controller was broken off");
                    }
                });
            }
            Err(BulkError::Closed(_)) => return,
            Err(error) => tracing::warn!(%error, "a request of the controller was not understood"),
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
