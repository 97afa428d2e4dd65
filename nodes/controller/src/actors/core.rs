//! The sole owner of the core: takes inputs in, steps, and hands the effects on.

use crate::clock::Clock;
use crate::dispatch::Wiring;
use actix::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle};
use std::collections::HashMap;
use std::time::Duration;
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::ids::{ClientToken, NodeId};
use tidegate_scheduler::message::FromWorker;
use tidegate_scheduler::time::Millis;
use tidegate_scheduler::{Core, Input, Outcome, Refusal};
use tokio::sync::oneshot;

/// What a client waits for.
pub(crate) type Answer = Result<Outcome, Refusal>;

/// Owns the core.
pub(crate) struct CoreActor {
    core: Core,
    clock: Clock,
    wiring: Wiring,
    clients: HashMap<ClientToken, oneshot::Sender<Answer>>,
    next_token: u64,
    timer: Option<(Millis, SpawnHandle)>,
    drained: Vec<oneshot::Sender<()>>,
    ready: Vec<oneshot::Sender<()>>,
}

impl CoreActor {
    pub(crate) fn new(core: Core, clock: Clock, wiring: Wiring) -> CoreActor {
        CoreActor {
            core,
            clock,
            wiring,
            clients: HashMap::new(),
            next_token: 0,
            timer: None,
            drained: Vec::new(),
            ready: Vec::new(),
        }
    }

    fn step(&mut self, input: Input, ctx: &mut Context<CoreActor>) {
        self.core.step(self.clock.moment(), input);
        self.follow(ctx);
    }

    /// Does what the core says, until it says no more, and sets the timer for the next step.
    fn follow(&mut self, ctx: &mut Context<CoreActor>) {
        while let Some(effect) = self.core.poll_effect() {
            if let Some((token, answer)) = self.wiring.dispatch(effect, self.core.state(), &ctx.address())
                && let Some(client) = self.clients.remove(&token)
            {
                // A client that went away no longer cares.
                drop(client.send(answer));
            }
        }
        self.wiring.pools.settle(self.core.state(), &ctx.address());
        if self.core.is_drained() {
            self.drained.drain(..).for_each(tell);
        }
        if self.core.is_leading() {
            self.ready.drain(..).for_each(tell);
        }
        self.set_timer(ctx);
    }

    fn set_timer(&mut self, ctx: &mut Context<CoreActor>) {
        let wanted = self.core.next_wakeup();
        if self.timer.as_ref().map(|(at, _)| *at) == wanted {
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if let Some(at) = wanted {
            // One more: a timer that fires within the millisecond before would only be set again.
            let pause = Duration::from_millis(at.since(self.clock.moment().elapsed).0 + 1);
            let timer = ctx.run_later(pause, |actor, ctx| {
                actor.timer = None;
                actor.step(Input::Wake, ctx);
            });
            self.timer = Some((at, timer));
        }
    }
}

/// Tells one who waits; who no longer does need not know.
fn tell(waiter: oneshot::Sender<()>) {
    let _gone = waiter.send(());
}

impl Actor for CoreActor {
    type Context = Context<CoreActor>;

    fn started(&mut self, ctx: &mut Context<CoreActor>) {
        // What the core found to do when it was made, and nodes that an earlier life left behind.
        self.wiring.pools.mark_all(self.core.state());
        self.follow(ctx);
    }
}

/// Something happened outside.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Happened(pub(crate) Input);

impl Handler<Happened> for CoreActor {
    type Result = ();

    fn handle(&mut self, Happened(input): Happened, ctx: &mut Context<CoreActor>) {
        if let Input::Worker { message: FromWorker::Phase { .. } | FromWorker::Attach { .. }, .. } = &input {
            self.wiring.phase_changed();
        }
        self.step(input, ctx);
    }
}

/// A client asks for something.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Ask {
    pub(crate) command: ClientCommand,
    pub(crate) answer: oneshot::Sender<Answer>,
}

impl Handler<Ask> for CoreActor {
    type Result = ();

    fn handle(&mut self, ask: Ask, ctx: &mut Context<CoreActor>) {
        self.next_token += 1;
        let token = ClientToken(self.next_token);
        self.clients.insert(token, ask.answer);
        self.step(Input::Client { token, command: ask.command }, ctx);
    }
}

/// Reads something off the core.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Read(pub(crate) Box<dyn FnOnce(&Core) + Send>);

impl Handler<Read> for CoreActor {
    type Result = ();

    fn handle(&mut self, Read(read): Read, _: &mut Context<CoreActor>) {
        read(&self.core);
    }
}

/// A worker's link is up; a later one takes the place of an earlier one.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LinkUp {
    pub(crate) node: NodeId,
    pub(crate) link: crate::links::NodeLink,
}

impl Handler<LinkUp> for CoreActor {
    type Result = ();

    fn handle(&mut self, up: LinkUp, _: &mut Context<CoreActor>) {
        self.wiring.links.put(up.node, up.link);
    }
}

/// Drain, and say when no node is left.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct DrainAll {
    pub(crate) force: bool,
    pub(crate) done: oneshot::Sender<()>,
}

impl Handler<DrainAll> for CoreActor {
    type Result = ();

    fn handle(&mut self, drain: DrainAll, ctx: &mut Context<CoreActor>) {
        self.drained.push(drain.done);
        self.step(Input::Drain { force: drain.force }, ctx);
    }
}

/// Let go of all nodes without ending them, and say when that is done.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LetGo(pub(crate) oneshot::Sender<()>);

impl Handler<LetGo> for CoreActor {
    type Result = ();

    fn handle(&mut self, LetGo(done): LetGo, _: &mut Context<CoreActor>) {
        let letting_go = self.wiring.pools.keep_nodes();
        actix_rt::spawn(async move {
            letting_go.await;
            tell(done);
        });
    }
}

/// Say when this member leads and has applied all that came before.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct WhenReady(pub(crate) oneshot::Sender<()>);

impl Handler<WhenReady> for CoreActor {
    type Result = ();

    fn handle(&mut self, WhenReady(ready): WhenReady, ctx: &mut Context<CoreActor>) {
        self.ready.push(ready);
        self.follow(ctx);
    }
}
