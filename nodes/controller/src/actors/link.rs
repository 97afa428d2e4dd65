//! One worker's link: its messages to the core, the core's to it, and blobs both ways.

use super::core::{CoreActor, Happened};
use super::history::{HistoryActor, Settle};
use crate::bodies::Bodies;
use crate::disk::SnapshotStore;
use crate::links::Links;
use crate::peers::Peers;
use crate::replicate::blobs::ReplicatedBlobs;
use crate::replicate::forward;
use crate::serve;
use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use std::collections::HashSet;
use std::sync::Arc;
use tidegate_scheduler::Input;
use tidegate_scheduler::ids::{ContentId, NodeId};
use tidegate_scheduler::message::ToWorker;
use tidegate_store::node_wire::{FromNode, ToNode};
use tidegate_store::{Digest, History};
use tidegate_transport::close::CloseCode;
use tidegate_transport::error::SendError;
use tidegate_transport::link::{Class, Link};

/// How many bodies a link remembers to have sent; beyond, it forgets all and sends again.
const REMEMBERED: usize = 4096;
/// How many messages are taken off the link at once.
const AT_ONCE: usize = 512;

/// What a link's actor needs of the controller.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) core: Addr<CoreActor>,
    pub(crate) history: Addr<HistoryActor>,
    pub(crate) links: Links,
    pub(crate) bodies: Bodies,
    pub(crate) blobs: ReplicatedBlobs,
    /// Run history itself, for what other controllers ask of it.
    pub(crate) kept: History,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) forwarded: forward::Handler,
    pub(crate) peers: Peers,
}

pub(crate) struct LinkActor {
    pub(crate) node: NodeId,
    pub(crate) number: u64,
    pub(crate) link: Link,
    pub(crate) shared: Shared,
    pub(crate) sent: HashSet<ContentId>,
}

impl Actor for LinkActor {
    type Context = Context<LinkActor>;

    fn started(&mut self, ctx: &mut Context<LinkActor>) {
        ctx.set_mailbox_capacity(usize::MAX >> 3);
        let reader = read(self.node, self.link.clone(), self.shared.clone());
        ctx.spawn(reader.into_actor(self).map(|(), actor, ctx| {
            if actor.shared.links.remove(actor.node, actor.number) {
                actor.shared.core.do_send(Happened(Input::WorkerDisconnected { node: actor.node }));
            }
            ctx.stop();
        }));
        actix_rt::spawn(serve::bulk(self.link.clone(), self.shared.blobs.clone()));
    }
}

/// Takes the worker's messages off the link until it closes.
async fn read(node: NodeId, link: Link, shared: Shared) {
    let mut messages = Vec::new();
    loop {
        let received = link.recv_many::<FromNode>(Class::Control, &mut messages, AT_ONCE).await;
        for message in messages.drain(..) {
            match message {
                FromNode::Say(message) => shared.core.do_send(Happened(Input::Worker { node, message })),
                FromNode::Ended { report, blobs } => {
                    let blobs = blobs.into_iter().map(|blob| blob.into_vec()).collect();
                    serve::ended(node, report, blobs, link.clone(), shared.clone());
                }
            }
        }
        if let Err(error) = received {
            tracing::info!(%node, %error, "a worker's link ended");
            return;
        }
    }
}

/// Something for the worker.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Tell(pub(crate) ToWorker);

impl Handler<Tell> for LinkActor {
    type Result = ();

    fn handle(&mut self, Tell(message): Tell, ctx: &mut Context<LinkActor>) {
        if let ToWorker::Start(assignment) = &message
            && !self.sent.contains(&assignment.body)
        {
            let body = assignment.body;
            match self.shared.bodies.get(&body) {
                Some(bytes) => self.send_body(body, &bytes, ctx),
                None => return self.fetch_body(body, message, ctx),
            }
        }
        self.send(&ToNode::Say(message), ctx);
    }
}

impl LinkActor {
    fn send_body(&mut self, id: ContentId, bytes: &[u8], ctx: &mut Context<LinkActor>) {
        if self.sent.len() >= REMEMBERED {
            self.sent.clear();
        }
        self.sent.insert(id);
        self.send(&ToNode::Body { id, body: bytes.to_vec() }, ctx);
    }

    /// Looks in the store, once history has caught up; the mailbox waits, so that the order stays.
    fn fetch_body(&mut self, id: ContentId, message: ToWorker, ctx: &mut Context<LinkActor>) {
        let (history, blobs) = (self.shared.history.clone(), self.shared.blobs.clone());
        let fetch = async move {
            history.send(Settle).await.map_err(|error| error.to_string())?;
            match blobs.get(Digest::from(id)).await {
                Ok(Some(bytes)) => Ok::<Arc<[u8]>, String>(bytes.into()),
                Ok(None) => Err("it is not in the store".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        };
        ctx.wait(fetch.into_actor(self).map(move |found, actor, ctx| match found {
            Ok(bytes) => {
                actor.send_body(id, &bytes, ctx);
                actor.send(&ToNode::Say(message), ctx);
            }
            Err(error) => {
                tracing::error!(body = %id, %error, "a run's specification cannot be read");
                actor.link.close(CloseCode::Done, "a run's specification cannot be read");
            }
        }));
    }

    fn send(&mut self, message: &ToNode, ctx: &mut Context<LinkActor>) {
        match self.link.try_send(Class::Control, message) {
            Ok(()) => {}
            Err(SendError::Full) => {
                let (link, message) = (self.link.clone(), message.clone());
                let send = async move { link.send(Class::Control, &message).await };
                ctx.wait(send.into_actor(self).map(|result, _, _| report_send(result)));
            }
            Err(error) => report_send(Err(error)),
        }
    }
}

/// What could not be sent is derived again when the worker attaches.
fn report_send(result: Result<(), SendError>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a message to a worker was not sent");
    }
}
