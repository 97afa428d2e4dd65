//! One pool's provider: told which nodes are to be there, it tells what became of them.

use super::core::{CoreActor, Happened};
use crate::providers::Providers;
use actix::{Actor, ActorContext, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message, SpawnHandle};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_provider::{NodeOrder, Provider};
use tidegate_scheduler::ids::{NodeId, PoolId};
use tidegate_scheduler::state::nodes::NodePhase;
use tidegate_scheduler::{Input, ProviderEvent, State};

/// The shortest pause between two looks, whatever a provider asks for.
const SHORTEST: Duration = Duration::from_millis(5);

struct PoolActor {
    provider: Box<dyn Provider>,
    wanted: Vec<NodeOrder>,
    released: Vec<NodeId>,
    core: Addr<CoreActor>,
    timer: Option<SpawnHandle>,
}

impl PoolActor {
    fn look(&mut self, ctx: &mut Context<PoolActor>) {
        let now = Instant::now();
        for (node, event) in self.provider.reconcile(&self.wanted, &self.released, now) {
            self.core.do_send(Happened(Input::Provider { node, event }));
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if let Some(next) = self.provider.next_wakeup() {
            let pause = next.saturating_duration_since(Instant::now()).max(SHORTEST);
            self.timer = Some(ctx.run_later(pause, |actor, ctx| {
                actor.timer = None;
                actor.look(ctx);
            }));
        }
    }
}

impl Actor for PoolActor {
    type Context = Context<PoolActor>;
}

/// All nodes of the pool: those to be there, and those whose end is awaited.
#[derive(Message)]
#[rtype(result = "()")]
struct Desired {
    wanted: Vec<NodeOrder>,
    released: Vec<NodeId>,
}

impl Handler<Desired> for PoolActor {
    type Result = ();

    fn handle(&mut self, desired: Desired, ctx: &mut Context<PoolActor>) {
        self.wanted = desired.wanted;
        self.released = desired.released;
        self.look(ctx);
    }
}

/// The controller is stopping and its nodes live on.
#[derive(Message)]
#[rtype(result = "Result<(), String>")]
struct KeepNodes;

impl Handler<KeepNodes> for PoolActor {
    type Result = Result<(), String>;

    fn handle(&mut self, _: KeepNodes, ctx: &mut Context<PoolActor>) -> Result<(), String> {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        (self.wanted, self.released) = (Vec::new(), Vec::new());
        // An actor with a timer would live on, and drive nodes that are another leader's by now.
        ctx.stop();
        self.provider.shutdown(true).map_err(|error| error.to_string())
    }
}

/// The actors of all pools.
pub(crate) struct Pools {
    actors: BTreeMap<PoolId, Addr<PoolActor>>,
    changed: BTreeSet<PoolId>,
    arbiter: ArbiterHandle,
    providers: Providers,
    /// Providers are the leader's to drive.
    leads: bool,
}

impl Pools {
    pub(crate) fn new(arbiter: ArbiterHandle, providers: Providers) -> Pools {
        Pools { actors: BTreeMap::new(), changed: BTreeSet::new(), arbiter, providers, leads: false }
    }

    /// Takes every pool on that there is, and every one that left nodes behind.
    pub(crate) fn lead(&mut self, state: &State) {
        self.leads = true;
        self.changed.extend(state.pools().map(|(id, _)| id));
        self.changed.extend(self.providers.left_behind());
    }

    /// Whether this controller leads.
    pub(crate) fn leads(&self) -> bool {
        self.leads
    }

    /// Marks the pool of a node as changed.
    pub(crate) fn mark(&mut self, state: &State, node: NodeId) {
        self.changed.extend(state.node(node).map(|node| node.pool));
    }

    /// Lets go of all pools: they are another leader's now, and so are their nodes.
    pub(crate) fn follow(&mut self) {
        self.leads = false;
        actix_rt::spawn(self.keep_nodes());
        self.actors.clear();
    }

    /// Tells the providers of the marked pools which nodes are to be there now.
    pub(crate) fn settle(&mut self, state: &State, core: &Addr<CoreActor>) {
        if !self.leads {
            return self.changed.clear();
        }
        for id in std::mem::take(&mut self.changed) {
            let desired = desired(state, id);
            if let Some(actor) = self.actor(id, state, &desired, core) {
                actor.do_send(desired);
            }
        }
    }

    fn actor(
        &mut self,
        id: PoolId,
        state: &State,
        desired: &Desired,
        core: &Addr<CoreActor>,
    ) -> Option<Addr<PoolActor>> {
        if let Some(actor) = self.actors.get(&id) {
            return Some(actor.clone());
        }
        let settings = state.pool(id).map(|pool| &pool.settings);
        match self.providers.make(id, settings, state.controllers().count()) {
            Ok(provider) => {
                let core = core.clone();
                let actor = PoolActor::start_in_arbiter(&self.arbiter, move |_| PoolActor {
                    provider,
                    wanted: Vec::new(),
                    released: Vec::new(),
                    core,
                    timer: None,
                });
                self.actors.insert(id, actor.clone());
                Some(actor)
            }
            Err(reason) => {
                refuse(desired, &reason, core);
                None
            }
        }
    }

    /// Lets go of all nodes without ending them.
    pub(crate) fn keep_nodes(&self) -> impl Future<Output = ()> + use<> {
        let actors: Vec<_> = self.actors.values().cloned().collect();
        async move {
            for actor in actors {
                match actor.send(KeepNodes).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "a pool's nodes could not be let go"),
                    Err(error) => tracing::warn!(%error, "a pool's actor is gone"),
                }
            }
        }
    }
}

/// What the state says of a pool's nodes.
fn desired(state: &State, pool: PoolId) -> Desired {
    let mut desired = Desired { wanted: Vec::new(), released: Vec::new() };
    let Some(settings) = state.pool(pool).map(|pool| Arc::new(pool.settings.clone())) else { return desired };
    for (node, entry) in state.nodes().filter(|(_, entry)| entry.pool == pool) {
        match entry.phase {
            NodePhase::Leaving => desired.released.push(node),
            NodePhase::Requested | NodePhase::Booting | NodePhase::Ready | NodePhase::Unusable { .. } => {
                desired.wanted.push(NodeOrder { node, pool: settings.clone() })
            }
        }
    }
    desired
}

/// A provider that cannot be made makes no nodes.
fn refuse(desired: &Desired, reason: &str, core: &Addr<CoreActor>) {
    for order in &desired.wanted {
        let event = ProviderEvent::Failed { reason: reason.to_owned() };
        core.do_send(Happened(Input::Provider { node: order.node, event }));
    }
    for node in &desired.released {
        core.do_send(Happened(Input::Provider { node: *node, event: ProviderEvent::Gone }));
    }
}
