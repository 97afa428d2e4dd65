//! Taking in connections: of workers, and of other controllers.

use crate::actors::core::{Happened, LinkUp, PeerUp};
use crate::actors::link::{LinkActor, Shared};
use crate::links::NodeLink;
use crate::replicate;
use actix::Actor;
use std::collections::HashSet;
use tidegate_scheduler::Input;
use tidegate_scheduler::consensus::PeerMessage;
use tidegate_scheduler::controllers::ControllerCard;
use tidegate_scheduler::ids::{ControllerId, NodeId};
use tidegate_store::node_wire::NodeHello;
use tidegate_transport::close::CloseCode;
use tidegate_transport::endpoint::Endpoint;
use tidegate_transport::link::{Class, Link};
use tidegate_transport::tls::Role;

/// How many messages are taken off a link at once.
const AT_ONCE: usize = 512;

/// How a node is called in its certificate.
pub(crate) fn certificate_name(node: NodeId) -> String {
    node.to_string()
}

/// Takes connections in until the endpoint closes.
pub(crate) async fn run(endpoint: Endpoint, shared: Shared) {
    let mut number = 0;
    while let Some(accepted) = endpoint.accept().await {
        match accepted {
            Ok(link) => {
                number += 1;
                admit(link, number, &shared);
            }
            // Its port is another one each time that it is started.
            Err(error) => shared.peers.refusals().say(error.address.ip(), &error.source),
        }
    }
}

fn admit(link: Link, number: u64, shared: &Shared) {
    match link.peer().role {
        Role::Worker => admit_worker(link, number, shared),
        Role::Controller => admit_peer(link, shared),
    }
}

fn admit_worker(link: Link, number: u64, shared: &Shared) {
    let Some(node) = node_of(&link) else {
        let reason = "the certificate does not name the node that the handshake names";
        shared.peers.refusals().say(link.peer(), reason);
        return link.close(CloseCode::Violation, reason);
    };
    let actor = LinkActor { node, number, link: link.clone(), shared: shared.clone(), sent: HashSet::new() };
    let actor = actor.start();
    shared.core.do_send(LinkUp { node, link: NodeLink { number, link, actor } });
}

/// The node that the certificate and the handshake agree on.
fn node_of(link: &Link) -> Option<NodeId> {
    let hello: NodeHello = rmp_serde::from_slice(&link.hello().payload).ok()?;
    let node = NodeId(hello.node);
    let peer = link.peer();
    (peer.role == Role::Worker && peer.name == certificate_name(node)).then_some(node)
}

/// Another controller has dialled: it says something, and asks for things on bulk streams.
fn admit_peer(link: Link, shared: &Shared) {
    let id = link.peer().name.strip_prefix('c').and_then(|number| number.parse().ok());
    let Some(id) = id.map(ControllerId) else {
        let reason = "the certificate does not name a controller's number";
        shared.peers.refusals().say(link.peer(), reason);
        return link.close(CloseCode::Violation, reason);
    };
    // The core knows whether it was removed.
    shared.core.do_send(PeerUp { id, link: link.clone() });
    if let Err(error) = link.try_send(Class::Control, shared.peers.card()) {
        tracing::debug!(%error, "a card was not sent");
    }
    shared.peers.adopt(id.0, link.clone());
    listen(id, link, shared);
}

/// Takes in what another controller says and asks on a link, whoever dialled it.
pub(crate) fn listen(id: ControllerId, link: Link, shared: &Shared) {
    actix_rt::spawn(read_consensus(id, link.clone(), shared.clone()));
    actix_rt::spawn(read_cards(id, link.clone(), shared.clone()));
    actix_rt::spawn(replicate::serve(id, link, shared.clone()));
}

async fn read_consensus(id: ControllerId, link: Link, shared: Shared) {
    let mut messages: Vec<PeerMessage> = Vec::new();
    loop {
        let received = link.recv_many(Class::Consensus, &mut messages, AT_ONCE).await;
        for message in messages.drain(..) {
            if message.from != id.0 {
                return link.close(CloseCode::Violation, "a message is not from whom the certificate names");
            }
            shared.core.do_send(Happened(Input::Peer { message: Box::new(message) }));
        }
        if let Err(error) = received {
            return tracing::info!(controller = %id, %error, "a controller's link ended");
        }
    }
}

async fn read_cards(id: ControllerId, link: Link, shared: Shared) {
    while let Ok(card) = link.recv::<ControllerCard>(Class::Control).await {
        shared.core.do_send(Happened(Input::PeerSaid { peer: id, card }));
    }
}
