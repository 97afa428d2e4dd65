//! What history promises. The events are the scheduler's own: entries are applied to its real state.

mod copy;
mod copy_stepwise;
mod life;
mod lists;
mod random;
mod random_copy;
mod retention;
mod upgrade;

use std::path::Path;

use rusqlite::types::Value;
use tempfile::TempDir;
use tidegate_scheduler::State;
use tidegate_scheduler::command::{
    ClientCommand, Command, Entry, Observation, OnDisconnect, PlanCommand, PoolSettings, QueueOrder,
    RunSelector, Scheduling, Submit,
};
use tidegate_scheduler::event::Event;
use tidegate_scheduler::ids::{ContentId, Fence, NodeId, PoolId, RunId, Slot};
use tidegate_scheduler::message::{End, Report};
use tidegate_scheduler::resources::{Need, Resources, Tier, VmSize};
use tidegate_scheduler::time::{Millis, WallMicros};

use super::History;
use crate::artifacts::Artifacts;
use crate::{BlobStore, Digest, StoreOptions};

/// A history on disk beside the state whose log it projects.
struct World {
    state: State,
    folder: TempDir,
    history: Option<History>,
    /// All events so far.
    events: Vec<Event>,
}

impl World {
    /// One pool with one node of 64 vCPU.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut world = Self { state: State::new(), folder, history: None, events: Vec::new() };
        world.reopen();
        let size = VmSize {
            name: "Test_D64".into(),
            family: "testD".into(),
            capacity: Resources { vcpu: 64, memory_mib: 1 << 20, gpu_milli: 0 },
            hourly_price_micros: 0,
        };
        let pool = PoolSettings {
            workspace: "default".into(),
            name: "cpu".into(),
            team: None,
            region: "local".into(),
            size,
            tier: Tier::Dedicated,
            min_instances: 0,
            max_instances: 1,
            idle_time_before_scale_down: Millis::seconds(120),
            order: QueueOrder::Fair,
            provider: Vec::new(),
        };
        world.enter(vec![client(ClientCommand::ApplyPool(Box::new(pool)))]);
        world.enter(vec![Command::Plan(PlanCommand::RequestNode { pool: PoolId(1) })]);
        let ready = Observation::NodeReady { node: NodeId(1), incarnation: 1 };
        world.enter(vec![Command::Observed(ready)]);
        assert!(world.state.node(NodeId(1)).is_some_and(|node| node.is_ready()));
        world
    }

    fn history(&self) -> &History {
        self.history.as_ref().unwrap()
    }

    /// Closes the history and opens it again, as a restart does.
    fn reopen(&mut self) {
        self.history = None;
        self.history = Some(open(self.folder.path()));
    }

    /// The next entry of the log: applied to the state alone.
    fn decide(&mut self, commands: Vec<Command>) -> Vec<Event> {
        let index = self.state.applied() + 1;
        let now = Millis(index * 1000);
        let changes = self.state.apply(index, &Entry { now, wall: WallMicros(index * 1_000_000), commands });
        self.events.extend(changes.events.iter().cloned());
        changes.events
    }

    /// The next entry of the log: applied to the state and to history.
    fn enter(&mut self, commands: Vec<Command>) -> Vec<Event> {
        let events = self.decide(commands);
        self.history().apply(&events).unwrap();
        events
    }

    fn submit(&mut self, submit: Submit) -> RunId {
        let name = submit.name.clone();
        self.enter(vec![client(ClientCommand::Submit(Box::new(submit)))]);
        self.state.find_run("default", &name).unwrap().0
    }

    fn start(&mut self, run: RunId, element: u32) -> Fence {
        let start = PlanCommand::Start { slot: Slot { run, element }, node: NodeId(1) };
        self.enter(vec![Command::Plan(start)]);
        Fence::new(self.state.applied(), 0)
    }

    fn end(&mut self, fence: Fence, end: End) {
        let report = Box::new(report(fence, end));
        self.enter(vec![Command::Observed(Observation::Ended { node: NodeId(1), report })]);
    }

    fn cancel(&mut self, name: &str, element: Option<u32>) {
        self.enter(vec![client(ClientCommand::Cancel(select(name, element)))]);
    }

    fn retry(&mut self, name: &str, element: Option<u32>) {
        self.enter(vec![client(ClientCommand::Retry(select(name, element)))]);
    }

    /// Every row of every table, as text.
    fn dump(&self) -> String {
        dump(self.folder.path(), &["applied", "runs", "tags", "attempts", "elements", "canceled", "events"])
    }
}

/// Every row of these tables of the history in `folder`, as text.
fn dump(folder: &Path, tables: &[&str]) -> String {
    let db = rusqlite::Connection::open(folder.join("history.db")).unwrap();
    let mut dump = String::new();
    for table in tables {
        let mut rows = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<Value> = (0..columns).map(|column| row.get(column).unwrap()).collect();
            dump.push_str(&format!("{table} {values:?}\n"));
        }
    }
    dump
}

/// Opens the history in `folder`.
fn open(folder: &Path) -> History {
    let options = StoreOptions { durable: false, ..StoreOptions::default() };
    let blobs = BlobStore::open(folder.join("blobs"), options).unwrap();
    History::open(&folder.join("history.db"), blobs).unwrap()
}

fn client(command: ClientCommand) -> Command {
    Command::Client { key: None, command }
}

fn select(run: &str, element: Option<u32>) -> RunSelector {
    RunSelector { workspace: "default".into(), run: run.into(), element }
}

fn submission(name: &str, count: u32, body: &str) -> Submit {
    Submit {
        name: name.into(),
        workspace: "default".into(),
        experiment: "tests".into(),
        pool: None,
        count,
        need: Need::Part(Resources { vcpu: 1, memory_mib: 0, gpu_milli: 0 }),
        priority: 50,
        scheduling: Scheduling::default(),
        retries: 1,
        on_disconnect: OnDisconnect::Continue,
        grace: Millis::seconds(10),
        digest: ContentId::from(Digest::of(body.as_bytes())),
        body: body.into(),
    }
}

fn report(fence: Fence, end: End) -> Report {
    let artifacts = Artifacts { environment: "host".into(), ..Artifacts::default() };
    Report {
        fence,
        end,
        started: WallMicros(fence.index() * 1_000_000 + 5000),
        ended: WallMicros(fence.index() * 1_000_000 + 9000),
        cpu_micros: 4000,
        max_rss_kib: 2048,
        artifacts: artifacts.encode(),
        notes: vec!["a note".into()],
    }
}
