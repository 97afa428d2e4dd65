//! The sole owner of the core: takes inputs in, steps, and hands the effects on.

use crate::clock::Clock;
use crate::dispatch::Wiring;
use crate::fatal::{Fatal, PanicGuard};
use crate::leadership::Leadership;
use crate::record::Recorder;
use actix::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::ids::{ClientToken, ControllerId, NodeId, RequestKey};
use tidegate_scheduler::message::FromWorker;
use tidegate_scheduler::time::Millis;
use tidegate_scheduler::{Core, Input, Outcome, Refusal};
use tidegate_transport::close::CloseCode;
use tidegate_transport::link::Link;
use tokio::sync::{oneshot, watch};

/// What a client waits for.
pub(crate) type Answer = Result<Outcome, Refusal>;

/// Owns the core.
pub(crate) struct CoreActor {
    core: Core,
    clock: Clock,
    wiring: Wiring,
    clients: HashMap<ClientToken, oneshot::Sender<Answer>>,
    readers: HashMap<ClientToken, oneshot::Sender<()>>,
    next_token: u64,
    timer: Option<(Millis, SpawnHandle)>,
    drained: Vec<oneshot::Sender<()>>,
    leadership: watch::Sender<Leadership>,
    recorder: Option<Recorder>,
    /// The longest that the core was at work on one input, since somebody asked.
    longest: Duration,
    _guard: PanicGuard,
}

impl CoreActor {
    pub(crate) fn new(
        core: Core,
        clock: Clock,
        wiring: Wiring,
        leadership: watch::Sender<Leadership>,
        recorder: Option<Recorder>,
        fatal: Fatal,
    ) -> CoreActor {
        CoreActor {
            core,
            clock,
            wiring,
            clients: HashMap::new(),
            readers: HashMap::new(),
            next_token: 0,
            timer: None,
            drained: Vec::new(),
            leadership,
            recorder,
            longest: Duration::ZERO,
            _guard: PanicGuard(fatal, "the core"),
        }
    }

    fn step(&mut self, input: Input, ctx: &mut Context<CoreActor>) {
        let moment = self.clock.moment();
        if let Some(recorder) = &mut self.recorder {
            recorder.step(moment, &input);
        }
        let began = Instant::now();
        self.core.step(moment, input);
        self.follow(ctx);
        self.longest = self.longest.max(began.elapsed());
    }

    /// Does what the core says, until it says no more, and sets the timer for the next step.
    fn follow(&mut self, ctx: &mut Context<CoreActor>) {
        while let Some(effect) = self.core.poll_effect() {
            if let Some(recorder) = &mut self.recorder {
                recorder.effect(&effect);
            }
            match self.wiring.dispatch(effect, self.core.state(), &ctx.address()) {
                Some(Told::Client(token, answer)) => {
                    if let Some(client) = self.clients.remove(&token) {
                        // A client that went away no longer cares.
                        drop(client.send(answer));
                    }
                }
                Some(Told::Reader(token)) => self.readers.remove(&token).into_iter().for_each(tell),
                None => {}
            }
        }
        self.wiring.pools.settle(self.core.state(), &ctx.address());
        if self.core.is_drained() {
            self.drained.drain(..).for_each(tell);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.followed(&self.core);
        }
        self.wiring.tell_voters(&self.core.members().voters);
        Leadership::tell(&self.core, &self.leadership);
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

/// What is told to one who waits.
pub(crate) enum Told {
    /// A client's answer.
    Client(ClientToken, Answer),
    /// A reader may look.
    Reader(ClientToken),
}

/// Tells one who waits; who no longer does need not know.
fn tell(waiter: oneshot::Sender<()>) {
    let _gone = waiter.send(());
}

impl Actor for CoreActor {
    type Context = Context<CoreActor>;

    fn started(&mut self, ctx: &mut Context<CoreActor>) {
        // Where this one is, and what the core found to do when it was made.
        let (peer, card) = (self.core.id(), self.wiring.peers.card().clone());
        self.step(Input::PeerSaid { peer, card }, ctx);
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
    pub(crate) key: Option<RequestKey>,
    pub(crate) command: ClientCommand,
    pub(crate) answer: oneshot::Sender<Answer>,
}

impl Handler<Ask> for CoreActor {
    type Result = ();

    fn handle(&mut self, ask: Ask, ctx: &mut Context<CoreActor>) {
        self.next_token += 1;
        let token = ClientToken(self.next_token);
        self.clients.insert(token, ask.answer);
        self.step(Input::Client { token, key: ask.key, command: ask.command }, ctx);
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

    fn handle(&mut self, up: LinkUp, ctx: &mut Context<CoreActor>) {
        self.wiring.links.put(up.node, up.link);
        self.step(Input::WorkerConnected { node: up.node }, ctx);
    }
}

/// Another controller has dialled.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct PeerUp {
    pub(crate) id: ControllerId,
    pub(crate) link: Link,
}

impl Handler<PeerUp> for CoreActor {
    type Result = ();

    fn handle(&mut self, up: PeerUp, _: &mut Context<CoreActor>) {
        if self.core.state().has_left(up.id) {
            let reason = "this controller was removed from the cluster";
            self.wiring.peers.refusals().say(up.link.peer(), reason);
            up.link.close(CloseCode::Removed, reason);
        }
    }
}

/// Say when the state holds all that was committed before now.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct WhenReadable(pub(crate) oneshot::Sender<()>);

impl Handler<WhenReadable> for CoreActor {
    type Result = ();

    fn handle(&mut self, WhenReadable(readable): WhenReadable, ctx: &mut Context<CoreActor>) {
        self.next_token += 1;
        let token = ClientToken(self.next_token);
        // Those that no longer wait are forgotten here: nothing else would.
        self.readers.retain(|_, reader| !reader.is_closed());
        self.readers.insert(token, readable);
        self.step(Input::Read { token }, ctx);
    }
}

/// Tells the longest step since the last time that somebody asked.
#[derive(Message)]
#[rtype(result = "Duration")]
pub(crate) struct LongestStep;

impl Handler<LongestStep> for CoreActor {
    type Result = actix::MessageResult<LongestStep>;

    fn handle(&mut self, _: LongestStep, _: &mut Context<CoreActor>) -> Self::Result {
        actix::MessageResult(std::mem::take(&mut self.longest))
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
        if let Some(recorder) = self.recorder.take() {
            recorder.end(&self.core);
        }
        let letting_go = self.wiring.pools.keep_nodes();
        actix_rt::spawn(async move {
            letting_go.await;
            tell(done);
        });
    }
}
