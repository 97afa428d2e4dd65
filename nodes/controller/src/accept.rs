//! Taking in workers' connections.

use crate::actors::core::LinkUp;
use crate::actors::link::{LinkActor, Shared};
use crate::links::NodeLink;
use actix::Actor;
use std::collections::HashSet;
use tidegate_scheduler::ids::NodeId;
use tidegate_store::node_wire::NodeHello;
use tidegate_transport::close::CloseCode;
use tidegate_transport::endpoint::Endpoint;
use tidegate_transport::link::Link;
use tidegate_transport::tls::Role;

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
            Err(error) => tracing::warn!(%error, "a connection was refused"),
        }
    }
}

fn admit(link: Link, number: u64, shared: &Shared) {
    let Some(node) = node_of(&link) else {
        tracing::warn!(peer = %link.peer(), "a peer is not the node that it says");
        return link
            .close(CloseCode::Violation, "the certificate does not name the node that the handshake names");
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
