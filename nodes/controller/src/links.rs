//! The links of the workers that are connected now.

use crate::actors::link::LinkActor;
use actix::Addr;
use dashmap::DashMap;
use std::sync::Arc;
use tidegate_scheduler::ids::NodeId;
use tidegate_transport::close::CloseCode;
use tidegate_transport::link::Link;

/// One worker's link, and the actor that owns it.
#[derive(Clone)]
pub(crate) struct NodeLink {
    /// Counts up with each link of this process.
    pub(crate) number: u64,
    pub(crate) link: Link,
    pub(crate) actor: Addr<LinkActor>,
}

/// By node; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Links(Arc<DashMap<NodeId, NodeLink>>);

impl Links {
    /// Puts a link in the place of an earlier one of the same node, which is closed.
    pub(crate) fn put(&self, node: NodeId, link: NodeLink) {
        if let Some(earlier) = self.0.insert(node, link) {
            earlier.link.close(CloseCode::Replaced, "the same node has connected anew");
        }
    }

    /// Takes a link out, unless a later one has taken its place.
    pub(crate) fn remove(&self, node: NodeId, number: u64) -> bool {
        self.0.remove_if(&node, |_, link| link.number == number).is_some()
    }

    pub(crate) fn actor(&self, node: NodeId) -> Option<Addr<LinkActor>> {
        self.0.get(&node).map(|link| link.actor.clone())
    }

    pub(crate) fn link(&self, node: NodeId) -> Option<Link> {
        self.0.get(&node).map(|link| link.link.clone())
    }
}
