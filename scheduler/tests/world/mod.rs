//! A cluster in one thread: the real core, and plain stand-ins for disk, workers and provider, all of which
//! the test moves by hand.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegate_scheduler::command::{
    ClientCommand, OnDisconnect, PoolSettings, QueueOrder, QuotaKey, RunSelector, Scheduling, Submit,
};
use tidegate_scheduler::consensus::{HardState, LogEntry, Persist, Restored, SnapshotPoint};
use tidegate_scheduler::event::{Event, What};
use tidegate_scheduler::ids::{ClientToken, ContentId, Fence, NodeId};
use tidegate_scheduler::index::Index;
use tidegate_scheduler::message::{Assignment, End, FromWorker, Phase, Report, ToWorker};
use tidegate_scheduler::resources::{Need, Resources, Tier, VmSize};
use tidegate_scheduler::state::quota::Allowance;
use tidegate_scheduler::time::{Millis, Moment, WallMicros};
use tidegate_scheduler::{
    Core, Effect, Input, Limits, Loaded, Member, Outcome, ProviderEvent, Refusal, State,
};

/// What a worker has.
#[derive(Default)]
pub(crate) struct Worker {
    pub(crate) incarnation: u64,
    pub(crate) running: BTreeMap<Fence, Assignment>,
    /// Ended, and not acknowledged.
    pub(crate) ended: BTreeMap<Fence, Report>,
    pub(crate) stopping: BTreeSet<Fence>,
}

pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) moment: Moment,
    pub(crate) limits: Limits,
    /// What a crash leaves: entries and hard state that were synced, and the newest snapshot.
    pub(crate) disk: (HardState, Vec<LogEntry>),
    pub(crate) snapshot: Option<(SnapshotPoint, Vec<u8>)>,
    /// Writes that are on their way.
    pub(crate) unsynced: VecDeque<Persist>,
    pub(crate) workers: BTreeMap<NodeId, Worker>,
    pub(crate) provisioned: BTreeSet<NodeId>,
    pub(crate) releasing: BTreeSet<NodeId>,
    pub(crate) replies: BTreeMap<ClientToken, Result<Outcome, Refusal>>,
    pub(crate) events: Vec<Event>,
    /// Every start of a command on a worker.
    pub(crate) executions: Vec<Assignment>,
    /// Workers that were asked to say what they have.
    asked: BTreeSet<NodeId>,
    next_token: u64,
    next_incarnation: u64,
    /// Whether writes are synced and nodes come up by themselves.
    pub(crate) smooth: bool,
}

pub(crate) fn vcpu(vcpu: u32) -> Need {
    Need::Part(Resources { vcpu, memory_mib: 0, gpu_milli: 0 })
}

pub(crate) fn pool(name: &str, vcpu: u32, min: u32, max: u32) -> PoolSettings {
    PoolSettings {
        workspace: "default".into(),
        name: name.into(),
        team: None,
        region: "local".into(),
        size: VmSize {
            name: format!("Test_D{vcpu}"),
            family: "testD".into(),
            capacity: Resources { vcpu, memory_mib: 4096 * u64::from(vcpu), gpu_milli: 0 },
            hourly_price_micros: 0,
        },
        tier: Tier::Dedicated,
        min_instances: min,
        max_instances: max,
        idle_time_before_scale_down: Millis::seconds(120),
        order: QueueOrder::Fair,
        provider: Vec::new(),
    }
}

pub(crate) fn quota(workspace: Option<&str>) -> QuotaKey {
    QuotaKey {
        region: "local".into(),
        family: Some("testD".into()),
        tier: Tier::Dedicated,
        workspace: workspace.map(str::to_owned),
        team: None,
    }
}

/// Sets or lifts the limit over all workspaces.
pub(crate) fn limit(limit: Option<u64>) -> ClientCommand {
    ClientCommand::SetQuota { key: quota(None), allowance: limit.map(Allowance::limited) }
}

pub(crate) fn run(name: &str, count: u32, need: Need) -> Submit {
    let mut digest = [0; 32];
    digest.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    Submit {
        name: name.into(),
        workspace: "default".into(),
        experiment: "tests".into(),
        pool: None,
        count,
        need,
        priority: 50,
        scheduling: Scheduling::default(),
        retries: 0,
        on_disconnect: OnDisconnect::Continue,
        grace: Millis::seconds(10),
        digest: ContentId(digest),
        body: name.into(),
    }
}

pub(crate) fn select(run: &str, element: Option<u32>) -> RunSelector {
    RunSelector { workspace: "default".into(), run: run.into(), element }
}

impl World {
    pub(crate) fn new() -> World {
        World::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> World {
        let moment = Moment { elapsed: Millis(0), wall: WallMicros(1_000_000) };
        let core = start(State::new(), Restored::default(), &limits, moment);
        let mut world = World {
            core,
            moment,
            limits,
            disk: Default::default(),
            snapshot: None,
            unsynced: VecDeque::new(),
            workers: BTreeMap::new(),
            provisioned: BTreeSet::new(),
            releasing: BTreeSet::new(),
            replies: BTreeMap::new(),
            events: Vec::new(),
            executions: Vec::new(),
            asked: BTreeSet::new(),
            next_token: 0,
            next_incarnation: 0,
            smooth: true,
        };
        world.follow();
        world
    }

    pub(crate) fn step(&mut self, input: Input) {
        self.core.step(self.moment, input);
        self.follow();
    }

    /// Does what the core says; with `smooth`, until nothing more is to be done.
    pub(crate) fn follow(&mut self) {
        loop {
            while let Some(effect) = self.core.poll_effect() {
                self.take(effect);
            }
            if let Some(node) = self.asked.pop_first() {
                self.attach(node);
                continue;
            }
            if !self.smooth || !self.settle_one() {
                return;
            }
        }
    }

    fn settle_one(&mut self) -> bool {
        if self.sync_one() {
            return true;
        }
        let Some(node) = self.provisioned.iter().copied().find(|node| !self.workers.contains_key(node))
        else {
            return self.releasing.first().copied().is_some_and(|node| {
                self.gone(node);
                true
            });
        };
        self.boot(node);
        true
    }

    /// Lets the oldest write reach the disk.
    pub(crate) fn sync_one(&mut self) -> bool {
        let Some(persist) = self.unsynced.pop_front() else { return false };
        let number = persist.number;
        if let Some(hard_state) = persist.hard_state {
            self.disk.0 = hard_state;
        }
        if let Some(first) = persist.entries.first() {
            self.disk.1.retain(|entry| entry.index < first.index);
        }
        self.disk.1.extend(persist.entries);
        self.core.step(self.moment, Input::Persisted { number });
        true
    }

    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::Persist(persist) => self.unsynced.push_back(persist),
            Effect::SendWorker { node, message } => self.deliver(node, message),
            Effect::SendPeer { .. }
            | Effect::SendSnapshot { .. }
            | Effect::Installed { .. }
            | Effect::Removed
            | Effect::Unsupported(_)
            | Effect::Readable { .. } => panic!("this member is alone: {effect:?}"),
            Effect::Lead { .. } | Effect::Follow | Effect::Members => {}
            Effect::Provision { node } => drop(self.provisioned.insert(node)),
            Effect::Release { node } => {
                self.provisioned.remove(&node);
                self.releasing.insert(node);
            }
            Effect::Reply { token, result } => {
                assert!(self.replies.insert(token, result).is_none(), "{token} was answered twice");
            }
            Effect::Record(event) => self.events.push(*event),
            Effect::Snapshot { point, state } => {
                self.snapshot = Some((point.clone(), state.encode()));
                self.core.step(self.moment, Input::SnapshotSaved { point });
            }
            Effect::Compact { index } => self.disk.1.retain(|entry| entry.index > index),
        }
    }

    fn deliver(&mut self, node: NodeId, message: ToWorker) {
        let Some(worker) = self.workers.get_mut(&node) else { return };
        match message {
            ToWorker::Start(assignment) => {
                if !worker.running.contains_key(&assignment.fence)
                    && !worker.ended.contains_key(&assignment.fence)
                {
                    self.executions.push((*assignment).clone());
                    worker.running.insert(assignment.fence, *assignment);
                }
            }
            ToWorker::Stop { fence, .. } => drop(worker.stopping.insert(fence)),
            ToWorker::Acknowledge { fence } => {
                worker.ended.remove(&fence);
                worker.stopping.remove(&fence);
            }
            ToWorker::Attach { .. } => drop(self.asked.insert(node)),
            ToWorker::Leave => {
                worker.running.clear();
                worker.ended.clear();
            }
        }
    }

    pub(crate) fn boot(&mut self, node: NodeId) {
        self.next_incarnation += 1;
        self.workers.insert(node, Worker { incarnation: self.next_incarnation, ..Worker::default() });
        self.core.step(self.moment, Input::Provider { node, event: ProviderEvent::Booting });
        self.attach(node);
    }

    pub(crate) fn attach(&mut self, node: NodeId) {
        let Some(worker) = self.workers.get(&node) else { return };
        let running = worker.running.keys().map(|fence| (*fence, Phase::Running, self.moment.wall));
        let ended = worker.ended.keys().map(|fence| (*fence, Phase::Finalizing, self.moment.wall));
        let message =
            FromWorker::Attach { incarnation: worker.incarnation, attempts: running.chain(ended).collect() };
        let reports: Vec<Report> = worker.ended.values().cloned().collect();
        self.core.step(self.moment, Input::Worker { node, message });
        for report in reports {
            let message = FromWorker::Ended(Box::new(report));
            self.core.step(self.moment, Input::Worker { node, message });
        }
    }

    pub(crate) fn gone(&mut self, node: NodeId) {
        self.workers.remove(&node);
        self.provisioned.remove(&node);
        self.releasing.remove(&node);
        self.core.step(self.moment, Input::Provider { node, event: ProviderEvent::Gone });
    }

    /// The command of an attempt ends on its node, which says so.
    pub(crate) fn end(&mut self, node: NodeId, fence: Fence, end: End) {
        if let Some(report) = self.end_unheard(node, fence, end) {
            self.step(Input::Worker { node, message: FromWorker::Ended(Box::new(report)) });
        }
    }

    /// The command of an attempt ends on its node, and nobody hears of it.
    pub(crate) fn end_unheard(&mut self, node: NodeId, fence: Fence, end: End) -> Option<Report> {
        let worker = self.workers.get_mut(&node)?;
        worker.running.remove(&fence)?;
        let report = Report {
            fence,
            end,
            started: self.moment.wall,
            ended: self.moment.wall,
            cpu_micros: 0,
            max_rss_kib: 0,
            artifacts: Vec::new(),
            notes: Vec::new(),
        };
        worker.ended.insert(fence, report.clone());
        Some(report)
    }

    /// All attempts that run on workers.
    pub(crate) fn running(&self) -> Vec<(NodeId, Fence)> {
        let on = |(node, worker): (&NodeId, &Worker)| {
            worker.running.keys().map(|f| (*node, *f)).collect::<Vec<_>>()
        };
        self.workers.iter().flat_map(on).collect()
    }

    /// Time goes by; workers say that they are there, and the core is woken when it asked for it.
    pub(crate) fn pass(&mut self, span: Millis) {
        let end = self.moment.elapsed.after(span);
        while self.moment.elapsed < end {
            let due = self.core.next_wakeup().unwrap_or(Millis::NEVER);
            let next = due.min(self.moment.elapsed.after(Millis(1000))).min(end);
            self.moment.elapsed = next.max(self.moment.elapsed.after(Millis(1))).min(end);
            self.moment.wall = WallMicros(1_000_000 + self.moment.elapsed.0 * 1000);
            let nodes: Vec<NodeId> = self.workers.keys().copied().collect();
            for node in nodes {
                self.step(Input::Worker { node, message: FromWorker::Heartbeat });
            }
            self.step(Input::Wake);
        }
    }

    pub(crate) fn ask(&mut self, command: ClientCommand) -> ClientToken {
        self.next_token += 1;
        let token = ClientToken(self.next_token);
        self.step(Input::Client { token, key: None, command });
        token
    }

    /// Asks, and expects an answer at once.
    pub(crate) fn told(&mut self, command: ClientCommand) -> Result<Outcome, Refusal> {
        let token = self.ask(command);
        self.replies.remove(&token).expect("an answer")
    }

    pub(crate) fn apply_pool(&mut self, settings: PoolSettings) {
        let answer = self.told(ClientCommand::ApplyPool(Box::new(settings)));
        assert_eq!(answer, Ok(Outcome::Done));
    }

    pub(crate) fn submit(&mut self, submit: Submit) {
        let answer = self.told(ClientCommand::Submit(Box::new(submit)));
        assert!(matches!(answer, Ok(Outcome::Submitted { known: false, .. })), "{answer:?}");
    }

    /// The controller dies and starts again from what was synced. Workers go on, and attach.
    pub(crate) fn crash(&mut self) {
        self.crash_unheard();
        let nodes: Vec<NodeId> = self.workers.keys().copied().collect();
        for node in nodes {
            self.attach(node);
            self.follow();
        }
    }

    /// The same, but what workers say at first is lost.
    pub(crate) fn crash_unheard(&mut self) {
        self.unsynced.clear();
        self.replies.clear();
        self.releasing.clear();
        self.provisioned.clear();
        let (point, state) = match &self.snapshot {
            Some((point, image)) => (point.clone(), State::decode(image).expect("an image")),
            None => (SnapshotPoint::default(), State::new()),
        };
        let entries = self.disk.1.iter().filter(|entry| entry.index > point.index).cloned().collect();
        let restored = Restored { hard_state: self.disk.0, point, entries };
        self.moment.elapsed = Millis(0);
        self.core = start(state, restored, &self.limits, self.moment);
        self.follow();
    }

    /// Every promise that must hold at any moment.
    pub(crate) fn check(&self) {
        let state = self.core.state();
        assert_eq!(state.check(), Vec::<String>::new());
        let whole = Index::of(state);
        assert_eq!(self.core.index().waiting(), whole.waiting());
        for (id, _) in state.pools() {
            assert_eq!(self.core.index().queue(id), whole.queue(id));
            assert_eq!(self.core.index().pool_nodes(id), whole.pool_nodes(id));
        }
    }

    /// How often each element got a result, from history without repeated entries.
    pub(crate) fn results(&self) -> BTreeMap<(u64, u32), u32> {
        let mut seen = BTreeSet::new();
        let mut results = BTreeMap::new();
        for event in &self.events {
            if let What::Ended { slot, report, .. } = &event.what
                && seen.insert((event.index, report.fence))
            {
                *results.entry((slot.run.0, slot.element)).or_default() += 1;
            }
        }
        results
    }
}

fn start(state: State, restored: Restored, limits: &Limits, moment: Moment) -> Core {
    let member = Member { id: 1, founders: vec![1] };
    Core::new(&member, Loaded::of(state), restored, limits.clone(), moment).expect("a core")
}
