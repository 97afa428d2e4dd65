//! Small histories for the checkers' own tests: a state that commands were applied to, right or wrong.

use tidegate_scheduler::State;
use tidegate_scheduler::command::{
    ClientCommand, Command, Entry, Observation, OnDisconnect, PlanCommand, PoolSettings, QueueOrder,
    QuotaKey, RunSelector, Scheduling, Submit,
};
use tidegate_scheduler::ids::{ContentId, NodeId, PoolId};
use tidegate_scheduler::resources::{Need, Resources, Tier, VmSize};
use tidegate_scheduler::state::apply::Changes;
use tidegate_scheduler::state::quota::Allowance;
use tidegate_scheduler::time::{Millis, WallMicros};

pub(crate) fn entry(commands: Vec<Command>) -> Entry {
    Entry { now: Millis(0), wall: WallMicros(1), commands }
}

pub(crate) fn asked(command: ClientCommand) -> Command {
    Command::Client { key: None, command }
}

pub(crate) fn part(vcpu: u32) -> Need {
    Need::Part(Resources { vcpu, memory_mib: 0, gpu_milli: 0 })
}

/// A pool of nodes of 4 vCPU.
pub(crate) fn settings(name: &str, max: u32) -> PoolSettings {
    let capacity = Resources { vcpu: 4, memory_mib: 1024, gpu_milli: 0 };
    PoolSettings {
        workspace: "default".into(),
        name: name.into(),
        region: "here".into(),
        size: VmSize { name: "D4".into(), family: "d".into(), capacity, hourly_price_micros: 1 },
        tier: Tier::Dedicated,
        min_instances: 0,
        max_instances: max,
        idle_time_before_scale_down: Millis(1000),
        team: None,
        order: QueueOrder::Fair,
        provider: Vec::new(),
    }
}

pub(crate) fn pool(name: &str, max: u32) -> ClientCommand {
    ClientCommand::ApplyPool(Box::new(settings(name, max)))
}

pub(crate) fn submit(name: &str, count: u32, need: Need) -> Submit {
    Submit {
        name: name.into(),
        workspace: "default".into(),
        experiment: "sim".into(),
        pool: None,
        count,
        need,
        priority: 50,
        scheduling: Scheduling::default(),
        retries: 1,
        on_disconnect: OnDisconnect::Continue,
        grace: Millis(10),
        digest: ContentId([1; 32]),
        body: vec![1, 2, 3],
    }
}

/// A run whose elements each need a node of their own.
pub(crate) fn run(name: &str, count: u32) -> ClientCommand {
    ClientCommand::Submit(Box::new(submit(name, count, Need::WholeNode)))
}

pub(crate) fn select(run: &str, element: Option<u32>) -> RunSelector {
    RunSelector { workspace: "default".into(), run: run.into(), element }
}

/// What the pools count against, whoever's they are.
pub(crate) fn key(workspace: Option<&str>, team: Option<&str>) -> QuotaKey {
    let [workspace, team] = [workspace, team].map(|name| name.map(str::to_owned));
    QuotaKey { region: "here".into(), family: Some("d".into()), tier: Tier::Dedicated, workspace, team }
}

pub(crate) fn limit(limit: Option<u64>) -> ClientCommand {
    ClientCommand::SetQuota { key: key(None, None), allowance: limit.map(Allowance::limited) }
}

pub(crate) fn applied(state: &mut State, commands: Vec<Command>) -> Changes {
    state.apply(state.applied() + 1, &entry(commands))
}

/// A node of a pool that is asked for and comes up.
pub(crate) fn node(state: &mut State, pool: PoolId) -> NodeId {
    let node = NodeId(state.nodes().map(|(id, _)| id.0).max().unwrap_or_default() + 1);
    applied(state, vec![Command::Plan(PlanCommand::RequestNode { pool })]);
    applied(state, vec![Command::Observed(Observation::NodeReady { node, incarnation: 1 })]);
    node
}
