//! The actor that owns the attempts: everything that happens comes to it, and it carries out what is to be done.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, MessageResult};
use tidegate_scheduler::{
    ids::Fence,
    time::{Millis, Moment},
};
use tidegate_store::node_wire::{FromNode, ToNode};
use tokio::sync::{mpsc, oneshot};

use super::{
    farewell,
    keeper::{KeeperPlace, Orders},
    link::{Dial, Follow, LinkActor, Send},
};
use crate::{
    ExitReason, WorkerError,
    attempts::{Action, Attempts, LinkId, Parcel, Prepared, Refusal},
    clock::Clock,
    folder::Room,
    keeper::protocol::{AttemptStatus, FromKeeper, ToKeeper},
    prepare::Preparer,
    threads::Threads,
};

/// How often time itself is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long phases and deletions are held back, so that many go at once.
const HELD: Duration = Duration::from_millis(20);

/// What an agent is made of.
pub(crate) struct Parts {
    pub(crate) attempts: Attempts,
    pub(crate) clock: Clock,
    pub(crate) preparer: Arc<Preparer>,
    pub(crate) threads: Threads,
    pub(crate) keeper: KeeperPlace,
    pub(crate) link: Addr<LinkActor>,
    /// Told once, when this process is to end.
    pub(crate) exit: oneshot::Sender<Result<ExitReason, WorkerError>>,
}

/// The actor.
pub(crate) struct Agent {
    pub(super) attempts: Attempts,
    clock: Clock,
    pub(super) preparer: Arc<Preparer>,
    pub(super) threads: Threads,
    pub(super) keeper: KeeperPlace,
    pub(super) link: Addr<LinkActor>,
    exit: Option<oneshot::Sender<Result<ExitReason, WorkerError>>>,
    /// Orders to the keeper, while one is connected.
    pub(super) orders: Option<mpsc::UnboundedSender<Arc<ToKeeper>>>,
    /// Its process.
    pub(super) keeper_pid: Option<u32>,
    /// Which limits are enforced, for people.
    pub(super) confinement: String,
    /// Breaks preparations off.
    pub(super) preparing: HashMap<Fence, oneshot::Sender<()>>,
    to_remove: Vec<Fence>,
    to_tell: bool,
}

impl Actor for Agent {
    type Context = Context<Agent>;

    fn started(&mut self, ctx: &mut Context<Agent>) {
        ctx.set_mailbox_capacity(usize::MAX >> 3);
        super::keeper::keep(self.keeper.clone(), ctx.address());
        ctx.run_interval(TICK, |agent, ctx| {
            if Room::of(agent.preparer.node.root()).is_ok_and(|room| room.is_gone()) {
                agent.attempts.on_disk_full();
            }
            let now = agent.clock.now();
            agent.attempts.on_tick(now);
            agent.act(ctx);
        });
    }
}

impl Agent {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { attempts, clock, preparer, threads, keeper, link, exit } = parts;
        Self {
            attempts,
            clock,
            preparer,
            threads,
            keeper,
            link,
            exit: Some(exit),
            orders: None,
            keeper_pid: None,
            confinement: String::new(),
            preparing: HashMap::new(),
            to_remove: Vec::new(),
            to_tell: false,
        }
    }

    /// Ends this process.
    pub(super) fn exit(&mut self, result: Result<ExitReason, WorkerError>) {
        if let Some(exit) = self.exit.take()
            && exit.send(result).is_err()
        {
            tracing::debug!("this process is ending already");
        }
    }

    /// Tells the leader; without one nothing is lost, since who comes to lead asks what there is.
    fn say(&self, message: FromNode) {
        if let Some(link) = self.attempts.leaders_link() {
            self.link.do_send(Send { link, message });
        }
    }

    /// Carries out all that is to be done.
    fn act(&mut self, ctx: &mut Context<Agent>) {
        for action in self.attempts.take() {
            match action {
                Action::Prepare(assignment) => self.prepare(assignment, ctx.address()),
                Action::CancelPreparing(fence) => self.cancel_preparing(fence),
                Action::Order(order) => self.order(order),
                Action::Finish(finish) => self.finish(finish, ctx.address()),
                Action::Follow(link) => self.link.do_send(Follow(link)),
                Action::Say(message) => self.say(FromNode::Say(message)),
                Action::Deliver(Parcel { report, blobs }) => self.say(FromNode::Ended { report, blobs }),
                Action::DeliverFile(fence) => self.deliver_file(fence),
                Action::TellSoon => self.tell_soon(ctx),
                Action::Remove(fence) => self.remove_soon(fence, ctx),
                Action::Leave { keep_results } => farewell::leave(self, keep_results, ctx),
            }
        }
    }

    pub(super) fn order(&self, order: Arc<ToKeeper>) {
        let lost = self.orders.as_ref().is_none_or(|orders| orders.send(order).is_err());
        if lost {
            // It is ordered again, if it still matters, when the keeper has told what it has.
            tracing::debug!("an order to the keeper is lost along with its connection");
        }
    }

    fn tell_soon(&mut self, ctx: &mut Context<Agent>) {
        if !std::mem::replace(&mut self.to_tell, true) {
            ctx.run_later(HELD, |agent, ctx| {
                agent.to_tell = false;
                let now = agent.clock.now();
                agent.attempts.on_tell(now);
                agent.act(ctx);
            });
        }
    }

    fn remove_soon(&mut self, fence: Fence, ctx: &mut Context<Agent>) {
        if self.to_remove.is_empty() {
            ctx.run_later(HELD, |agent, ctx| {
                let fences = std::mem::take(&mut agent.to_remove);
                agent.remove(fences, ctx.address());
            });
        }
        self.to_remove.push(fence);
    }
}

/// Something happened.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum Happened {
    /// The keeper is there, with all that it has.
    KeeperUp {
        orders: Orders,
        list: Vec<AttemptStatus>,
    },
    /// The keeper says something.
    KeeperSays(Vec<FromKeeper>),
    /// The keeper is gone.
    KeeperDown,
    /// There is no keeper, and none can be started.
    NoKeeper(WorkerError),
    /// A controller says something.
    ControllerSays {
        link: LinkId,
        said: Vec<ToNode>,
    },
    /// A link to a controller is gone; it was last there so long ago.
    Lost {
        link: LinkId,
        silence: Millis,
    },
    Prepared {
        fence: Fence,
        result: Result<Prepared, Refusal>,
    },
    Finished {
        parcel: Parcel,
        on_disk: bool,
    },
    Removed(Vec<Fence>),
}

impl Handler<Happened> for Agent {
    type Result = ();

    fn handle(&mut self, happened: Happened, ctx: &mut Context<Agent>) {
        let now = self.clock.now();
        match happened {
            Happened::KeeperUp { orders, list } => self.keeper_up(now, orders, list),
            Happened::KeeperSays(messages) => {
                messages.into_iter().for_each(|message| self.attempts.on_keeper(now, message));
            }
            Happened::KeeperDown => self.keeper_down(now),
            Happened::NoKeeper(error) => self.exit(Err(error)),
            Happened::ControllerSays { link, said } => {
                said.into_iter().for_each(|message| self.on_controller(now, link, message));
            }
            Happened::Lost { link, silence } => self.attempts.on_lost(now, link, silence),
            Happened::Prepared { fence, result } => {
                self.preparing.remove(&fence);
                self.attempts.on_prepared(now, fence, result);
            }
            Happened::Finished { parcel, on_disk } => self.attempts.on_finished(now, parcel, on_disk),
            Happened::Removed(fences) => self.attempts.on_removed(now, &fences),
        }
        self.act(ctx);
    }
}

impl Agent {
    fn on_controller(&mut self, now: Moment, link: LinkId, message: ToNode) {
        match message {
            ToNode::Say(message) => self.attempts.on_controller(now, link, message),
            // A content is what its digest says, whoever sends it.
            ToNode::Body { id, body } => self.preparer.bodies().put(id, &body),
        }
    }

    fn keeper_up(&mut self, now: Moment, orders: Orders, list: Vec<AttemptStatus>) {
        self.confinement = orders.confinement;
        self.keeper_pid = Some(orders.pid);
        self.orders = Some(orders.sender);
        self.attempts.on_keeper_up(now, list);
        // Not before: what there is can only be told a controller once the keeper has said it.
        self.link.do_send(Dial);
    }

    fn keeper_down(&mut self, now: Moment) {
        self.orders = None;
        self.attempts.on_keeper_down(now);
    }
}

/// Whether nothing of an attempt writes any more; `None` if it is not here.
#[derive(Message)]
#[rtype(result = "Option<bool>")]
pub(super) struct IsOver(pub(super) Fence);

impl Handler<IsOver> for Agent {
    type Result = MessageResult<IsOver>;

    fn handle(&mut self, IsOver(fence): IsOver, _: &mut Context<Agent>) -> Self::Result {
        MessageResult(self.attempts.is_over(fence))
    }
}

/// This process is to end; nothing else is.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Terminate;

impl Handler<Terminate> for Agent {
    type Result = ();

    fn handle(&mut self, _: Terminate, _: &mut Context<Agent>) {
        self.exit(Ok(ExitReason::Terminated));
    }
}
