//! A core that leads alone, and the least that can stand for its disk and its workers.

use super::shapes::{NODE, Shapes};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tidegate_scheduler::command::{
    ClientCommand, Command, Entry, Observation, OnDisconnect, PlanCommand, PoolSettings, QueueOrder,
    Scheduling, Submit,
};
use tidegate_scheduler::consensus::{HardState, Members, Restored, SnapshotPoint};
use tidegate_scheduler::ids::{ClientToken, ContentId, Fence, NodeId, PoolId};
use tidegate_scheduler::message::{End, FromWorker, Report, ToWorker};
use tidegate_scheduler::resources::{Need, Tier, VmSize};
use tidegate_scheduler::time::{Millis, Moment, WallMicros};
use tidegate_scheduler::{Core, Effect, Input, Limits, Loaded, Member, State};

/// The cluster.
pub(super) struct Cluster {
    core: Core,
    moment: Moment,
    shapes: Shapes,
    submitted: u64,
    /// Writes that the disk has not acknowledged.
    unsynced: VecDeque<u64>,
    /// What runs, the oldest first.
    running: VecDeque<(NodeId, Fence)>,
    placed: u64,
    since: Option<Instant>,
    spent: Duration,
    passes: Vec<Duration>,
}

/// Nobody is heard here, and that is not what is measured.
fn limits() -> Limits {
    let never = Millis::seconds(1 << 30);
    Limits {
        lease: never,
        lost_after: never,
        entries_per_snapshot: u64::MAX,
        bytes_per_snapshot: u64::MAX,
        ..Limits::default()
    }
}

fn pool(nodes: u64) -> PoolSettings {
    PoolSettings {
        workspace: "default".into(),
        name: "main".into(),
        team: None,
        region: "here".into(),
        size: VmSize { name: "Bench".into(), family: "bench".into(), capacity: NODE, hourly_price_micros: 0 },
        tier: Tier::Dedicated,
        min_instances: 0,
        max_instances: nodes as u32,
        idle_time_before_scale_down: Millis::seconds(1 << 30),
        order: QueueOrder::Fair,
        provider: Vec::new(),
    }
}

fn run(number: u64, need: Need) -> Submit {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    Submit {
        name: format!("run-{number}"),
        workspace: "default".into(),
        experiment: "bench".into(),
        pool: None,
        count: 1,
        need,
        priority: 50,
        scheduling: Scheduling::default(),
        retries: 0,
        on_disconnect: OnDisconnect::Continue,
        grace: Millis::seconds(10),
        digest: ContentId(digest),
        body: Vec::new(),
    }
}

impl Cluster {
    /// So many nodes, all ready and idle.
    pub(super) fn new(nodes: u64, shapes: Shapes) -> Cluster {
        let mut state = State::founded(&[1]);
        let mut apply = |commands: Vec<Command>| {
            let entry = Entry { now: state.now(), wall: WallMicros(1), commands };
            state.apply(state.applied() + 1, &entry);
        };
        let make = ClientCommand::ApplyPool(Box::new(pool(nodes)));
        apply(vec![Command::Client { key: None, command: make }]);
        apply((0..nodes).map(|_| Command::Plan(PlanCommand::RequestNode { pool: PoolId(1) })).collect());
        let ready =
            |node| Command::Observed(Observation::NodeReady { node: NodeId(node), incarnation: node });
        apply((1..=nodes).map(ready).collect());
        let point = SnapshotPoint { index: state.applied(), term: 1, members: Members::of(&[1]) };
        let hard_state = HardState { term: 1, vote: 1, commit: point.index };
        let restored = Restored { hard_state, point, entries: Vec::new() };
        let moment = Moment { elapsed: Millis(0), wall: WallMicros(1) };
        let member = Member { id: 1, founders: vec![1] };
        let core = Core::new(&member, Loaded::of(state), restored, limits(), moment)
            .expect("a core of its own state");
        let mut cluster = Cluster {
            core,
            moment,
            shapes,
            submitted: 0,
            unsynced: VecDeque::new(),
            running: VecDeque::new(),
            placed: 0,
            since: None,
            spent: Duration::ZERO,
            passes: Vec::new(),
        };
        cluster.follow();
        cluster.settle();
        assert!(cluster.core.is_leading(), "one that is alone leads");
        cluster
    }

    fn step(&mut self, input: Input) {
        let began = Instant::now();
        self.core.step(self.moment, input);
        if self.since.is_some() {
            self.passes.push(began.elapsed());
        }
        self.follow();
    }

    fn follow(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Persist(persist) => self.unsynced.push_back(persist.number),
                Effect::SendWorker { node, message: ToWorker::Start(assignment) } => {
                    self.running.push_back((node, assignment.fence));
                    self.placed += 1;
                }
                _ => {}
            }
        }
    }

    /// The disk acknowledges everything.
    fn settle(&mut self) {
        while let Some(number) = self.unsynced.pop_front() {
            self.step(Input::Persisted { number });
        }
        self.moment.elapsed = self.moment.elapsed.after(Millis(1));
    }

    fn submit(&mut self, need: Need) {
        self.submitted += 1;
        let command = ClientCommand::Submit(Box::new(run(self.submitted, need)));
        self.step(Input::Client { token: ClientToken(self.submitted), key: None, command });
    }

    /// Puts so many runs into the queue.
    pub(super) fn queue(&mut self, runs: u64) {
        for number in 0..runs {
            let need = self.shapes.need(self.submitted);
            self.submit(need);
            if number % 1024 == 1023 {
                self.settle();
            }
        }
        self.settle();
    }

    /// Fills all nodes.
    pub(super) fn fill(&mut self) {
        loop {
            let before = self.placed;
            for _ in 0..1024 {
                let need = self.shapes.filling(self.submitted);
                self.submit(need);
            }
            self.settle();
            if self.placed == before {
                return;
            }
        }
    }

    /// Ends the oldest of what runs, `at_once` before each sync; tells how many.
    pub(super) fn complete(&mut self, most: usize, at_once: usize) -> u64 {
        let mut completed = 0;
        while completed < most as u64 {
            let before = completed;
            for _ in 0..at_once {
                let Some((node, fence)) = self.running.pop_front() else { break };
                let report = Report {
                    fence,
                    end: End::Succeeded,
                    started: self.moment.wall,
                    ended: self.moment.wall,
                    cpu_micros: 0,
                    max_rss_kib: 0,
                    artifacts: Vec::new(),
                    notes: Vec::new(),
                };
                self.step(Input::Worker { node, message: FromWorker::Ended(Box::new(report)) });
                completed += 1;
            }
            self.settle();
            if completed == before {
                break;
            }
        }
        completed
    }

    /// What was placed since the measuring began.
    pub(super) fn placed(&self) -> u64 {
        self.placed
    }

    pub(super) fn begin(&mut self) {
        self.placed = 0;
        self.go_on();
    }

    pub(super) fn pause(&mut self) {
        self.spent += self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
    }

    pub(super) fn go_on(&mut self) {
        self.since = Some(Instant::now());
    }

    /// How long it took, and each step of the core by itself.
    pub(super) fn end(&mut self) -> (Duration, Vec<Duration>) {
        self.pause();
        (self.spent, std::mem::take(&mut self.passes))
    }
}
