//! What the simulator found, told as small stories on one core.

mod world;

use tidegate_scheduler::command::{
    After, ClientCommand, DependsOn, PoolSettings, QueueOrder, QuotaKey, RunLimits, Scheduling, Submit,
};
use tidegate_scheduler::message::{End, FromWorker};
use tidegate_scheduler::resources::Need;
use tidegate_scheduler::state::nodes::NodePhase;
use tidegate_scheduler::state::quota::Allowance;
use tidegate_scheduler::time::{Millis, WallMicros};
use tidegate_scheduler::{Input, Limits, Outcome, Refusal};
use world::{World, limit, pool, run, select, vcpu};

#[test]
fn a_run_of_a_pool_that_is_gone_is_not_queued_again() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    world.submit(run("a", 1, vcpu(1)));
    let (node, fence) = world.running()[0];
    world.end(node, fence, End::Exited { code: 1 });
    let delete = ClientCommand::DeletePool { workspace: "default".into(), pool: "main".into(), force: false };
    assert_eq!(world.told(delete), Ok(Outcome::Done));
    world.pass(Millis::seconds(1));
    assert_eq!(world.core.state().pools().count(), 0);
    let answer = world.told(ClientCommand::Retry(select("a", None)));
    assert!(matches!(answer, Err(Refusal::PoolDeleting(_))), "{answer:?}");
    world.check();
}

#[test]
fn a_pool_below_its_minimum_grows_when_quota_comes_free() {
    let mut world = World::new();
    world.told(limit(Some(4))).unwrap();
    world.apply_pool(pool("main", 4, 2, 3));
    assert_eq!(world.core.state().nodes().count(), 1, "there is quota for one");
    // Nothing waits for the pool: only its minimum asks for more.
    world.told(limit(Some(8))).unwrap();
    assert_eq!(world.core.state().nodes().count(), 2);
    world.check();
}

#[test]
fn a_node_that_leaves_does_not_count_for_its_pools_minimum() {
    let mut world = World::new();
    world.told(limit(Some(8))).unwrap();
    world.apply_pool(pool("main", 4, 2, 3));
    world.smooth = false;
    let node = world.core.state().nodes().next().unwrap().0;
    let event = tidegate_scheduler::ProviderEvent::Failed { reason: "retired".into() };
    world.step(Input::Provider { node, event });
    while world.sync_one() {
        world.follow();
    }
    assert_eq!(world.core.state().node(node).unwrap().phase, NodePhase::Leaving);
    world.ask(limit(Some(12)));
    while world.sync_one() {
        world.follow();
    }
    assert_eq!(world.core.state().nodes().count(), 3, "one in the place of the one that leaves");
    world.check();
}

#[test]
fn a_leader_that_stood_still_gives_no_node_up() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    world.submit(run("a", 1, Need::WholeNode));
    let before = world.running();
    // The process is stopped for ten minutes; its workers go on, and what they say waits to be read.
    world.moment.elapsed = world.moment.elapsed.after(Millis::seconds(600));
    world.moment.wall = WallMicros(1_000_000 + world.moment.elapsed.0 * 1000);
    world.step(Input::Wake);
    world.step(Input::Worker { node: before[0].0, message: FromWorker::Heartbeat });
    world.pass(Millis::seconds(5));
    assert_eq!(world.running(), before, "its run goes on where it is");
    assert_eq!(world.core.state().attempts().count(), 1);
    assert_eq!(world.executions.len(), 1);
    world.check();
}

#[test]
fn a_node_that_is_heard_again_is_not_given_up_by_what_waited() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    world.submit(run("a", 1, Need::WholeNode));
    let node = world.running()[0].0;
    let fence = world.running()[0].1;
    // An entry is on its way to a disk that takes its time, and the node is silent for too long meanwhile.
    world.smooth = false;
    world.ask(limit(Some(40)));
    for _ in 0..130 {
        world.moment.elapsed = world.moment.elapsed.after(Millis(500));
        world.step(Input::Wake);
    }
    world.step(Input::Worker { node, message: FromWorker::Heartbeat });
    world.smooth = true;
    world.follow();
    assert!(world.core.state().attempt(fence).is_some(), "its run is where it was");
    assert_eq!(world.executions.len(), 1);
    world.check();
}

#[test]
fn a_retry_that_is_refused_changes_nothing() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    world.submit(run("a", 3, vcpu(1)));
    for (node, fence) in world.running() {
        world.end(node, fence, End::Succeeded);
    }
    let id = world.core.state().find_run("default", "a").unwrap().0;
    let before = world.core.state().run(id).unwrap().clone();
    // It had written the end of each element out again, which are a few numbers once all ended alike.
    let answer = world.told(ClientCommand::Retry(select("a", None)));
    assert_eq!(answer, Err(Refusal::NothingToRetry("a".into())));
    assert_eq!(world.core.state().run(id), Some(&before));
    world.check();
}

#[test]
fn a_pool_is_served_although_another_one_takes_every_step_that_a_pass_may_make() {
    let mut world = World::with(Limits { placements_per_pass: 1, ..Limits::default() });
    world.apply_pool(pool("first", 2, 4, 4));
    world.apply_pool(pool("second", 2, 1, 1));
    world.submit(Submit { pool: Some("first".into()), ..run("first", 1000, Need::WholeNode) });
    world.smooth = false;
    // Whenever the second pool could be looked at, something of the first one has just ended.
    let go_on = |world: &mut World| {
        for _ in 0..20 {
            for (node, fence) in world.running() {
                world.end(node, fence, End::Succeeded);
            }
            world.moment.elapsed = world.moment.elapsed.after(Millis(1));
            world.sync_one();
            world.follow();
        }
    };
    go_on(&mut world);
    let waits = Submit { pool: Some("second".into()), ..run("second", 1, Need::WholeNode) };
    world.ask(ClientCommand::Submit(Box::new(waits)));
    go_on(&mut world);
    assert!(world.executions.iter().any(|assignment| assignment.run == "second"), "it has had its turn");
    world.check();
}

/// A run that starts after others.
fn after(name: &str, after: &[(&str, DependsOn)]) -> Submit {
    let after = after.iter().map(|(run, on)| After { run: (*run).into(), on: *on }).collect();
    Submit { scheduling: Scheduling { after, ..Scheduling::default() }, ..run(name, 1, vcpu(1)) }
}

#[test]
fn a_run_that_names_another_one_twice_waits_for_it_once() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    world.submit(run("data", 1, vcpu(1)));
    world.submit(after("twice", &[("data", DependsOn::Completed), ("data", DependsOn::Ended)]));
    world.submit(after("never", &[("data", DependsOn::Completed), ("data", DependsOn::Failed)]));
    world.check();
    let (node, fence) = world.running()[0];
    world.end(node, fence, End::Succeeded);
    world.check();
    let counts = |name| world.core.state().find_run("default", name).unwrap().1.elements.counts();
    assert_eq!(counts("twice").placed, 1);
    assert_eq!(counts("never").canceled, 1, "no end is both");
}

#[test]
fn a_pool_does_not_grow_for_what_its_workspace_may_not_run() {
    let mut world = World::new();
    let limits = RunLimits { max_running: Some(2), max_open: None };
    world.told(ClientCommand::SetWorkspace { workspace: "default".into(), limits }).unwrap();
    world.apply_pool(pool("main", 4, 0, 9));
    world.submit(run("array", 9, Need::WholeNode));
    assert_eq!((world.core.state().nodes().count(), world.running().len()), (2, 2));
    world.check();
}

#[test]
fn a_run_that_is_tried_again_counts_for_how_many_its_workspace_may_have() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    let limits = RunLimits { max_running: None, max_open: Some(1) };
    world.told(ClientCommand::SetWorkspace { workspace: "default".into(), limits }).unwrap();
    world.submit(run("a", 1, vcpu(1)));
    let (node, fence) = world.running()[0];
    world.end(node, fence, End::Exited { code: 1 });
    world.submit(run("b", 1, vcpu(1)));
    let answer = world.told(ClientCommand::Retry(select("a", None)));
    assert!(matches!(answer, Err(Refusal::TooManyRuns { open: 1, limit: 1, .. })), "{answer:?}");
    world.check();
}

#[test]
fn a_pool_of_another_team_leaves_room_where_it_was() {
    let mut world = World::new();
    let key = QuotaKey { team: Some("a".into()), ..world::quota(Some("default")) };
    world.told(ClientCommand::SetQuota { key, allowance: Some(Allowance::limited(4)) }).unwrap();
    let of_a = |name| PoolSettings { team: Some("a".into()), ..pool(name, 4, 0, 1) };
    world.apply_pool(of_a("first"));
    world.submit(Submit { pool: Some("first".into()), ..run("one", 1, vcpu(1)) });
    world.apply_pool(of_a("second"));
    world.submit(Submit { pool: Some("second".into()), ..run("two", 1, vcpu(1)) });
    assert_eq!(world.core.state().nodes().count(), 1, "team a may have one node");
    world.apply_pool(PoolSettings { team: None, ..of_a("first") });
    assert_eq!(world.core.state().nodes().count(), 2);
    world.check();
}

#[test]
fn a_team_has_a_name_like_all_others() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    let scheduling = Scheduling { team: Some("../a".into()), ..Scheduling::default() };
    let answer = world.told(ClientCommand::Submit(Box::new(Submit { scheduling, ..run("a", 1, vcpu(1)) })));
    assert!(matches!(answer, Err(Refusal::BadName { .. })), "{answer:?}");
}

#[test]
fn a_share_of_a_very_large_node_is_a_number() {
    let mut world = World::new();
    let mut huge = pool("main", 4, 0, 0);
    huge.size.capacity.memory_mib = u64::MAX;
    world.apply_pool(huge);
    world.submit(run("a", 1, Need::WholeNode));
    world.check();
}

#[test]
fn deleting_a_pool_that_is_being_deleted_is_not_refused() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    world.submit(run("a", 1, vcpu(1)));
    let delete =
        |force| ClientCommand::DeletePool { workspace: "default".into(), pool: "main".into(), force };
    assert!(matches!(world.told(delete(false)), Err(Refusal::PoolInUse { .. })));
    assert_eq!(world.told(delete(true)), Ok(Outcome::Done));
    // Its run is asked to stop, and has not ended.
    assert_eq!(world.told(delete(false)), Ok(Outcome::Done));
    world.check();
}

/// Seeds 235 and 516: what waited in a strict order stayed in the index when its pool went by the same entry.
#[test]
fn a_pool_that_goes_takes_its_queue_along_whatever_its_order() {
    let mut world = World::new();
    world.apply_pool(PoolSettings { order: QueueOrder::Strict, ..pool("main", 4, 0, 0) });
    world.submit(run("a", 3, vcpu(1)));
    let (workspace, pool) = ("default".into(), "main".into());
    assert_eq!(world.told(ClientCommand::DeletePool { workspace, pool, force: true }), Ok(Outcome::Done));
    assert_eq!(world.core.index().waiting(), 0);
    world.check();
}
