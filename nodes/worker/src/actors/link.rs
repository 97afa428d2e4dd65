//! The actor that owns the links: one to each controller that the file of addresses names. Which of them is the
//! leader's the attempts decide; here it is spoken on.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, MessageResult};
use tidegate_scheduler::message::FromWorker;
use tidegate_store::node_wire::FromNode;
use tidegate_transport::{close::CloseCode, endpoint::Endpoint, link::Link};
use tokio::sync::watch;

use super::{agent::Agent, dial::Line, speaker::Speaker};
use crate::{
    attempts::{LinkId, Parcel},
    folder::NodeFolder,
    link::{Addresses, Current},
};

/// How often the leader hears that the node is there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How often it is looked where controllers are.
const LOOK: Duration = Duration::from_secs(2);
/// How long the last words may take when the node leaves.
const FAREWELL: Duration = Duration::from_secs(2);
/// What controllers are told then.
const LEAVES: &str = "the node leaves";

/// What dialing needs.
pub(crate) struct Dialing {
    pub(crate) endpoint: Endpoint,
    /// Where controllers are.
    pub(crate) addresses: PathBuf,
    /// After how long without a word a link is given up.
    pub(crate) idle: Duration,
    /// Sets this node's tries apart from others'.
    pub(crate) seed: u64,
    /// Where transfers find the leader's link.
    pub(crate) current: watch::Sender<Option<Current>>,
    pub(crate) node: NodeFolder,
}

/// The actor.
pub(crate) struct LinkActor {
    dialing: Dialing,
    agent: Addr<Agent>,
    course: Course,
    /// The addresses that are dialed, each until what is kept here is dropped.
    lines: BTreeMap<SocketAddr, watch::Sender<()>>,
    /// How many lines there have been.
    dialed: u64,
    open: BTreeMap<LinkId, (SocketAddr, Link)>,
    /// How many links there have been.
    opened: u64,
    speaker: Option<Speaker>,
    /// What was wrong with the file of addresses when it was read last.
    slip: Option<String>,
}

/// Whether controllers are dialed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Not before the keeper has told what there is.
    NotYet,
    Dials,
    /// The node leaves.
    Over,
}

impl LinkActor {
    pub(crate) fn new(dialing: Dialing, agent: Addr<Agent>) -> Self {
        Self {
            dialing,
            agent,
            course: Course::NotYet,
            lines: BTreeMap::new(),
            dialed: 0,
            open: BTreeMap::new(),
            opened: 0,
            speaker: None,
            slip: None,
        }
    }

    /// Looks where controllers are: dials those that are new, and drops those that are gone.
    fn look(&mut self, links: &Addr<LinkActor>) {
        if self.course != Course::Dials {
            return;
        }
        let found = Addresses::read(&self.dialing.addresses);
        let changes = found.changes(self.lines.keys());
        if found.slip != self.slip {
            if let Some(slip) = &found.slip {
                tracing::warn!("{slip}");
            }
            self.slip = found.slip;
        }
        for address in changes.drop {
            tracing::info!(%address, "a controller is not there any more");
            self.lines.remove(&address);
            let links = self.open.values().filter(|(of, _)| *of == address);
            links.for_each(|(_, link)| {
                link.close(CloseCode::Done, "this controller's address is not named any more")
            });
        }
        for address in changes.dial {
            self.dial(address, links.clone());
        }
    }

    fn dial(&mut self, address: SocketAddr, links: Addr<LinkActor>) {
        self.dialed += 1;
        let line = Line {
            address,
            endpoint: self.dialing.endpoint.clone(),
            idle: self.dialing.idle,
            seed: self.dialing.seed.wrapping_add(self.dialed),
            node: self.dialing.node.clone(),
            agent: self.agent.clone(),
            links,
        };
        let (keep, wanted) = watch::channel(());
        actix::spawn(line.keep(wanted));
        self.lines.insert(address, keep);
    }

    /// Speaks on this link from now on, or on none.
    fn speak_on(&mut self, id: Option<LinkId>) {
        if let Some(former) = self.speaker.take() {
            former.break_off();
        }
        let link = id.and_then(|id| Some((id, self.open.get(&id)?.1.clone())));
        self.dialing.current.send_replace(link.clone().map(|(id, link)| Current { id, link }));
        self.speaker = link.map(|(id, link)| Speaker::new(id, link));
    }
}

impl Actor for LinkActor {
    type Context = Context<LinkActor>;

    fn started(&mut self, ctx: &mut Context<LinkActor>) {
        ctx.set_mailbox_capacity(usize::MAX >> 3);
        ctx.run_interval(HEARTBEAT, |actor, _| {
            if let Some(speaker) = &actor.speaker {
                speaker.say(FromNode::Say(FromWorker::Heartbeat));
            }
        });
        ctx.run_interval(LOOK, |actor, ctx| actor.look(&ctx.address()));
    }
}

/// Begin to dial.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Dial;

impl Handler<Dial> for LinkActor {
    type Result = ();

    fn handle(&mut self, _: Dial, ctx: &mut Context<LinkActor>) {
        if self.course == Course::NotYet {
            self.course = Course::Dials;
            self.look(&ctx.address());
        }
    }
}

/// A controller is connected; answered by the number of the link.
#[derive(Message)]
#[rtype(result = "LinkId")]
pub(super) struct Opened {
    pub(super) address: SocketAddr,
    pub(super) link: Link,
}

impl Handler<Opened> for LinkActor {
    type Result = MessageResult<Opened>;

    fn handle(&mut self, Opened { address, link }: Opened, _: &mut Context<LinkActor>) -> Self::Result {
        self.opened += 1;
        let id = LinkId(self.opened);
        self.open.insert(id, (address, link));
        MessageResult(id)
    }
}

/// A link is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Lost(pub(super) LinkId);

impl Handler<Lost> for LinkActor {
    type Result = ();

    fn handle(&mut self, Lost(id): Lost, ctx: &mut Context<LinkActor>) {
        self.open.remove(&id);
        if self.speaker.as_ref().is_some_and(|speaker| speaker.id() == id) {
            self.speak_on(None);
        }
        // It may have moved.
        self.look(&ctx.address());
    }
}

/// Speak on this link from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Follow(pub(super) LinkId);

impl Handler<Follow> for LinkActor {
    type Result = ();

    fn handle(&mut self, Follow(id): Follow, _: &mut Context<LinkActor>) {
        self.speak_on(Some(id));
    }
}

/// A message for the leader, if its link is still the one that it is meant for.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Send {
    pub(super) link: LinkId,
    pub(super) message: FromNode,
}

impl Send {
    pub(super) fn parcel(link: LinkId, Parcel { report, blobs }: Parcel) -> Self {
        Self { link, message: FromNode::Ended { report, blobs } }
    }
}

impl Handler<Send> for LinkActor {
    type Result = ();

    fn handle(&mut self, Send { link, message }: Send, _: &mut Context<LinkActor>) {
        if let Some(speaker) = self.speaker.as_ref().filter(|speaker| speaker.id() == link) {
            speaker.say(message);
        }
    }
}

/// Say what is left to be said, close, and dial no more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct HangUp;

impl Handler<HangUp> for LinkActor {
    type Result = actix::ResponseFuture<()>;

    fn handle(&mut self, _: HangUp, _: &mut Context<LinkActor>) -> Self::Result {
        self.course = Course::Over;
        self.lines.clear();
        let speaker = self.speaker.take();
        let current = speaker.as_ref().map(Speaker::id);
        let others = self.open.iter().filter(|(id, _)| Some(**id) != current);
        others.for_each(|(_, (_, link))| link.close(CloseCode::Shutdown, LEAVES));
        Box::pin(async move {
            if let Some(speaker) = speaker {
                speaker.finish(LEAVES, FAREWELL).await;
            }
        })
    }
}
