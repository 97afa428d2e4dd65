//! The other controllers: a link to each that this one dials, kept for ever, and the one that each of them dials. Either
//! serves in both directions, so that one that has just come back is heard and told as soon as it has dialled.

use crate::bundle::certificate_name;
use crate::refusals::Refusals;
use crate::replicate::forward::Room;
use actix::ArbiterHandle;
use dashmap::DashMap;
use futures_util::future::{AbortHandle, abortable};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_scheduler::Input;
use tidegate_scheduler::consensus::PeerMessage;
use tidegate_scheduler::controllers::ControllerCard;
use tidegate_scheduler::ids::ControllerId;
use tidegate_transport::close::{CloseCode, CloseReason};
use tidegate_transport::dial::{DialPolicy, Dialer};
use tidegate_transport::endpoint::Endpoint;
use tidegate_transport::error::SendError;
use tidegate_transport::link::{Class, Link};
use tidegate_transport::tls::Role;
use tokio::sync::watch;

/// A controller that is back is found within this time.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What happens to the links.
pub(crate) trait PeerEvents: Send + Sync {
    /// For the core.
    fn happened(&self, input: Input);
    /// A link is up that was dialled here: what the other one says on it must be listened to.
    fn connected(&self, peer: ControllerId, link: &Link);
    /// Another controller says that this one is no longer of the cluster.
    fn removed(&self);
}

/// The links to the other controllers; clones share them.
#[derive(Clone)]
pub(crate) struct Peers(Arc<Inner>);

struct Inner {
    own: u64,
    card: ControllerCard,
    endpoint: Endpoint,
    arbiter: ArbiterHandle,
    peers: DashMap<u64, Peer>,
    /// The newest link that each of the others has dialled.
    incoming: DashMap<u64, Link>,
    refusals: Refusals,
    forwarding: Room,
    /// Given up when the controller stops: it holds these peers in turn.
    events: Mutex<Option<Arc<dyn PeerEvents>>>,
}

struct Peer {
    address: watch::Sender<SocketAddr>,
    link: watch::Sender<Option<Link>>,
    dialing: AbortHandle,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.dialing.abort();
    }
}

impl Peers {
    pub(crate) fn new(own: u64, card: ControllerCard, endpoint: Endpoint, arbiter: ArbiterHandle) -> Peers {
        let (peers, incoming, refusals) = (DashMap::new(), DashMap::new(), Refusals::default());
        let events = Mutex::new(None);
        let forwarding = Room::default();
        Peers(Arc::new(Inner { own, card, endpoint, arbiter, peers, incoming, refusals, forwarding, events }))
    }

    /// To whom what happens is told; said once, before the first peer is named.
    pub(crate) fn tell(&self, events: Arc<dyn PeerEvents>) {
        *self.0.events.lock().unwrap_or_else(PoisonError::into_inner) = Some(events);
    }

    /// Lets go of all links, for good.
    pub(crate) fn close(&self) {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.0.peers.clear();
        self.0.incoming.clear();
    }

    /// Says that somebody is refused, however often that happens.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// How many more requests of clients may be passed on to the others.
    pub(crate) fn forwarding(&self) -> &Room {
        &self.0.forwarding
    }

    /// This controller's own card.
    pub(crate) fn card(&self) -> &ControllerCard {
        &self.0.card
    }

    /// These are the controllers, at these addresses: new ones are dialled, and the links with those that have left are
    /// closed. One that is in neither has dialled before its place was known here, and is left alone.
    pub(crate) fn set(&self, controllers: &[(u64, String)], has_left: impl Fn(u64) -> bool) {
        let close =
            |link: &Link| link.close(CloseCode::Removed, "this controller is no longer of the cluster");
        self.0.peers.retain(|id, peer| {
            let left = has_left(*id);
            if left && let Some(link) = &*peer.link.borrow() {
                close(link);
            }
            !left
        });
        self.0.incoming.retain(|id, link| {
            let left = has_left(*id);
            if left {
                close(link);
            }
            !left
        });
        for (id, address) in controllers.iter().filter(|(id, _)| *id != self.0.own) {
            let Ok(address) = address.parse::<SocketAddr>() else {
                tracing::warn!(controller = id, %address, "a controller's address is not ip:port");
                continue;
            };
            match self.0.peers.get(id) {
                Some(peer) => {
                    peer.address.send_if_modified(|known| std::mem::replace(known, address) != address);
                }
                None => self.dial(*id, address),
            }
        }
    }

    fn dial(&self, id: u64, address: SocketAddr) {
        let (address, addresses) = watch::channel(address);
        let link = watch::Sender::new(None);
        let events = self.0.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(events) = events else { return };
        let (card, refusals) = (self.0.card.clone(), self.0.refusals.clone());
        let course = Course { id, card, link: link.clone(), refusals, events };
        let endpoint = self.0.endpoint.clone();
        let (dialing, abort) = abortable(course.run(endpoint, addresses, self.0.own));
        self.0.arbiter.spawn(async move {
            // It ends only when the peer is no longer wanted.
            let _aborted = dialing.await;
        });
        self.0.peers.insert(id, Peer { address, link, dialing: abort });
    }

    /// The numbers of the others.
    pub(crate) fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.0.peers.iter().map(|peer| *peer.key()).collect();
        ids.sort_unstable();
        ids
    }

    /// Says something to another one; `false` when it cannot be heard now.
    pub(crate) fn send(&self, to: u64, message: &PeerMessage) -> bool {
        let Some(link) = self.link(to) else { return false };
        match link.try_send(Class::Consensus, message) {
            Ok(()) => true,
            Err(SendError::Full | SendError::Closed(_)) => false,
            Err(SendError::Frame(error)) => {
                tracing::error!(to, %error, "a message to another controller cannot be sent");
                false
            }
        }
    }

    /// Another one has dialled.
    pub(crate) fn adopt(&self, from: u64, link: Link) {
        self.0.incoming.insert(from, link);
    }

    /// The link to another one, if one is up.
    pub(crate) fn link(&self, to: u64) -> Option<Link> {
        let dialled = self.0.peers.get(&to).and_then(|peer| peer.link.borrow().clone());
        let is_up = |link: &Link| link.close_reason().is_none();
        dialled.filter(is_up).or_else(|| self.0.incoming.get(&to).map(|link| link.clone()).filter(is_up))
    }
}

/// Keeping the link to one peer.
struct Course {
    id: u64,
    card: ControllerCard,
    link: watch::Sender<Option<Link>>,
    refusals: Refusals,
    events: Arc<dyn PeerEvents>,
}

impl Course {
    async fn run(self, endpoint: Endpoint, addresses: watch::Receiver<SocketAddr>, own: u64) {
        let policy = DialPolicy { max_pause: LONGEST_PAUSE, ..DialPolicy::new(own << 32 | self.id) };
        let address = move || {
            let address = *addresses.borrow();
            async move { Ok(address) }
        };
        let mut dialer = Dialer::new(endpoint, Role::Controller, policy, address);
        loop {
            let link = dialer.link().await;
            if link.peer().name != certificate_name(self.id) {
                let reason = format_args!("it answers where controller {} is looked for", self.id);
                self.refusals.say(link.peer(), reason);
                link.close(CloseCode::Violation, "this is not the controller that was looked for");
                continue;
            }
            tracing::info!(controller = %link.peer(), "connected");
            if let Err(error) = link.try_send(Class::Control, &self.card) {
                tracing::debug!(%error, "a card was not sent");
            }
            self.events.connected(ControllerId(self.id), &link);
            self.link.send_replace(Some(link.clone()));
            let reason = link.closed().await;
            self.link.send_replace(None);
            tracing::info!(controller = self.id, %reason, "the link to another controller ended");
            self.events.happened(Input::PeerUnreachable { peer: self.id });
            if matches!(&reason, CloseReason::Peer { code: CloseCode::Removed, .. }) {
                self.events.removed();
            }
        }
    }
}
