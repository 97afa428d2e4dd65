//! In what order runs start, and what keeps them from starting, told as small stories on one core.

mod world;

use tidegate_scheduler::command::{
    After, ClientCommand, Command, DependsOn, Entry, PlanCommand, QueueOrder, RunLimits, Scheduling, Submit,
};
use tidegate_scheduler::event::{Ending, What};
use tidegate_scheduler::message::End;
use tidegate_scheduler::resources::Need;
use tidegate_scheduler::state::quota::Allowance;
use tidegate_scheduler::time::Millis;
use tidegate_scheduler::{Outcome, Refusal};
use world::{World, limit, pool, quota, run, select, vcpu};

/// A world with one pool of one node, of two vCPU.
fn one_node(order: QueueOrder) -> World {
    let mut world = World::new();
    world.apply_pool(tidegate_scheduler::command::PoolSettings { order, ..pool("main", 2, 0, 1) });
    world
}

fn of_team(name: &str, team: &str) -> Submit {
    let scheduling = Scheduling { team: Some(team.into()), ..Scheduling::default() };
    Submit { scheduling, ..run(name, 1, Need::WholeNode) }
}

fn after(name: &str, first: &str, on: DependsOn) -> Submit {
    let after = vec![After { run: first.into(), on }];
    Submit { scheduling: Scheduling { after, ..Scheduling::default() }, ..run(name, 1, vcpu(1)) }
}

/// The one run that is running, if there is one.
fn running(world: &World) -> Vec<String> {
    let mut runs: Vec<String> =
        world.workers.values().flat_map(|worker| worker.running.values().map(|a| a.run.clone())).collect();
    runs.sort();
    runs
}

/// Lets everything run to its end; tells in which order it started.
fn order(world: &mut World, each: Millis) -> Vec<String> {
    let mut order = Vec::new();
    while let Some((node, fence)) = world.running().first().copied() {
        order.push(world.workers[&node].running[&fence].run.clone());
        world.pass(each);
        world.end(node, fence, End::Succeeded);
    }
    world.check();
    order
}

#[test]
fn waiting_counts_as_much_as_priority_but_never_across_bands() {
    let mut world = one_node(QueueOrder::Fair);
    let at = |name: &str, priority| Submit { priority, ..run(name, 1, Need::WholeNode) };
    world.submit(at("first", 50));
    world.submit(at("low", 25));
    world.submit(at("waited", 50));
    world.pass(Millis::seconds(370));
    world.submit(at("one-point-more", 51));
    world.submit(at("two-points-more", 52));
    world.submit(at("high", 75));
    assert_eq!(
        order(&mut world, Millis::seconds(1)),
        ["first", "high", "two-points-more", "waited", "one-point-more", "low"]
    );
}

#[test]
fn strict_order_is_by_priority_alone() {
    let mut world = one_node(QueueOrder::Strict);
    let at = |name: &str, priority| Submit { priority, ..run(name, 1, Need::WholeNode) };
    world.submit(at("first", 50));
    world.submit(at("waited", 50));
    world.pass(Millis::seconds(3600));
    world.submit(at("more", 51));
    world.submit(Submit { priority: 51, ..of_team("more-of-another", "b") });
    assert_eq!(order(&mut world, Millis::seconds(1)), ["first", "more", "more-of-another", "waited"]);
}

#[test]
fn a_pools_order_can_change_while_runs_wait() {
    let mut world = one_node(QueueOrder::Fair);
    let at = |name: &str, priority| Submit { priority, ..run(name, 1, Need::WholeNode) };
    world.submit(at("first", 50));
    world.submit(at("waited", 50));
    world.pass(Millis::seconds(3600));
    world.submit(at("more", 51));
    world.apply_pool(tidegate_scheduler::command::PoolSettings {
        order: QueueOrder::Strict,
        ..pool("main", 2, 0, 1)
    });
    world.check();
    assert_eq!(order(&mut world, Millis::seconds(1)), ["first", "more", "waited"]);
}

#[test]
fn what_waits_for_a_day_rises_to_the_next_band() {
    let mut world = one_node(QueueOrder::Fair);
    world.submit(run("long", 1, Need::WholeNode));
    world.submit(Submit { priority: 25, ..run("low", 1, Need::WholeNode) });
    world.pass(Millis::seconds(24 * 3600 + 60));
    let promoted = world.events.iter().filter(|event| matches!(event.what, What::Promoted { .. })).count();
    assert_eq!(promoted, 1);
    world.check();
    // One that came a day later and is of the band it was in comes after it.
    world.submit(Submit { priority: 40, ..run("medium", 1, Need::WholeNode) });
    assert_eq!(order(&mut world, Millis::seconds(1)), ["long", "low", "medium"]);
}

#[test]
fn nothing_rises_where_order_is_strict() {
    let mut world = one_node(QueueOrder::Strict);
    world.submit(run("long", 1, Need::WholeNode));
    world.submit(Submit { priority: 25, ..run("low", 1, Need::WholeNode) });
    for _ in 0..3 {
        world.pass(Millis::seconds(24 * 3600 + 60));
    }
    assert!(!world.events.iter().any(|event| matches!(event.what, What::Promoted { .. })));
    world.check();
    // Nor by an entry that was planned while the pool's order was another one.
    let mut state = world.core.state().clone();
    let (low, before) = state.find_run("default", "low").map(|(id, run)| (id, run.clone())).unwrap();
    let entry = Entry {
        now: state.now(),
        wall: state.wall(),
        commands: vec![Command::Plan(PlanCommand::Promote { runs: vec![low] })],
    };
    let changes = state.apply(state.applied() + 1, &entry);
    assert!(changes.events.is_empty(), "{:?}", changes.events);
    assert_eq!(state.run(low), Some(&before));
    assert_eq!(order(&mut world, Millis::seconds(1)), ["long", "low"]);
}

#[test]
fn teams_that_share_a_pool_take_turns_by_what_they_had() {
    let mut world = one_node(QueueOrder::Fair);
    for number in 0..6 {
        world.submit(of_team(&format!("a{number}"), "a"));
    }
    for number in 0..3 {
        world.submit(of_team(&format!("b{number}"), "b"));
    }
    let order = order(&mut world, Millis::seconds(600));
    assert_eq!(order, ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "a4", "a5"]);
}

#[test]
fn a_team_of_more_weight_has_more_turns() {
    let mut world = one_node(QueueOrder::Fair);
    let mut key = quota(Some("default"));
    key.team = Some("heavy".into());
    let allowance = Some(Allowance { weight: 3, ..Allowance::default() });
    world.told(ClientCommand::SetQuota { key, allowance }).unwrap();
    for number in 0..8 {
        world.submit(of_team(&format!("heavy{number}"), "heavy"));
        world.submit(of_team(&format!("light{number}"), "light"));
    }
    let first: Vec<String> = order(&mut world, Millis::seconds(600)).into_iter().take(8).collect();
    let heavy = first.iter().filter(|name| name.starts_with("heavy")).count();
    assert_eq!(heavy, 6, "{first:?}");
}

/// Nine CPUs and 18 GB; tasks of one team want <1, 4>, those of the other <3, 1>: three and two of them, as in the
/// paper on dominant resource fairness (Ghodsi et al., NSDI 2011).
#[test]
fn what_counts_is_the_resource_of_which_a_team_has_most() {
    let mut world = World::new();
    let mut settings = pool("main", 9, 0, 1);
    settings.size.capacity.memory_mib = 18 << 10;
    world.apply_pool(settings);
    let part = |vcpu, gib: u64| {
        Need::Part(tidegate_scheduler::resources::Resources { vcpu, memory_mib: gib << 10, gpu_milli: 0 })
    };
    // Both are there before there is room.
    world.smooth = false;
    world.ask(ClientCommand::Submit(Box::new(Submit { count: 9, need: part(1, 4), ..of_team("a", "a") })));
    world.ask(ClientCommand::Submit(Box::new(Submit { count: 9, need: part(3, 1), ..of_team("b", "b") })));
    world.smooth = true;
    world.follow();
    assert_eq!(running(&world), ["a", "a", "a", "b", "b"]);
    world.check();
}

#[test]
fn a_run_starts_after_those_it_names() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    world.submit(run("data", 1, vcpu(1)));
    world.submit(after("train", "data", DependsOn::Completed));
    world.submit(after("report", "train", DependsOn::Ended));
    assert_eq!(running(&world), ["data"]);
    world.check();
    let (node, fence) = world.running()[0];
    world.end(node, fence, End::Succeeded);
    assert_eq!(running(&world), ["train"]);
    let (node, fence) = world.running()[0];
    world.end(node, fence, End::Exited { code: 1 });
    assert_eq!(running(&world), ["report"], "it starts however the other one ended");
    world.submit(after("late", "data", DependsOn::Completed));
    assert_eq!(running(&world), ["late", "report"], "what has ended already is not waited for");
    world.check();
}

#[test]
fn what_waits_for_a_run_that_ends_otherwise_is_cancelled_with_all_behind_it() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    world.submit(run("data", 1, vcpu(1)));
    world.submit(after("train", "data", DependsOn::Completed));
    world.submit(after("report", "train", DependsOn::Completed));
    world.submit(after("alarm", "data", DependsOn::Failed));
    let (node, fence) = world.running()[0];
    world.end(node, fence, End::Exited { code: 1 });
    assert_eq!(running(&world), ["alarm"]);
    let ending =
        |world: &World, run| world.core.state().find_run("default", run).unwrap().1.elements.ending();
    assert_eq!(ending(&world, "train"), Some(Ending::Canceled));
    assert_eq!(ending(&world, "report"), Some(Ending::Canceled));
    world.check();
    // Neither can begin before what it waits for has ended as it must.
    let answer = world.told(ClientCommand::Retry(select("train", None)));
    assert!(matches!(answer, Err(Refusal::PrerequisiteNotMet { .. })), "{answer:?}");
    let answer = world.told(ClientCommand::Submit(Box::new(after("again", "data", DependsOn::Completed))));
    assert!(matches!(answer, Err(Refusal::PrerequisiteNotMet { .. })), "{answer:?}");
    let answer = world.told(ClientCommand::Submit(Box::new(after("stray", "nobody", DependsOn::Ended))));
    assert!(matches!(answer, Err(Refusal::UnknownRun(_))), "{answer:?}");
    world.told(ClientCommand::Retry(select("data", None))).unwrap();
    world.told(ClientCommand::Retry(select("train", None))).unwrap();
    assert_eq!(running(&world), ["alarm", "data"], "it waits again");
    world.check();
}

#[test]
fn a_long_chain_of_runs_is_cancelled_without_a_long_stack() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    world.submit(run("run0", 1, vcpu(1)));
    for number in 1..3000 {
        world.submit(after(&format!("run{number}"), &format!("run{}", number - 1), DependsOn::Completed));
    }
    world.told(ClientCommand::Cancel(select("run0", None))).unwrap();
    let (node, fence) = world.running()[0];
    world.end(node, fence, End::Stopped);
    assert!(world.core.state().runs().iter().all(|(_, run)| run.ended.is_some()));
    world.check();
}

#[test]
fn an_array_runs_no_more_elements_at_once_than_it_says() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 4));
    let scheduling = Scheduling { max_concurrent: Some(3), ..Scheduling::default() };
    world.submit(Submit { scheduling, ..run("array", 10, vcpu(1)) });
    assert_eq!(running(&world).len(), 3);
    assert_eq!(world.core.state().nodes().count(), 1, "no node for what may not run");
    world.submit(run("other", 1, vcpu(1)));
    assert_eq!(running(&world).len(), 4, "and others start before it");
    let (node, fence) = world.running()[0];
    world.end(node, fence, End::Succeeded);
    assert_eq!(running(&world).iter().filter(|name| *name == "array").count(), 3);
    world.check();
}

#[test]
fn a_run_that_could_never_start_is_refused() {
    let mut world = one_node(QueueOrder::Fair);
    let capped = |most| Scheduling { max_concurrent: Some(most), after: Vec::new(), ..Scheduling::default() };
    let submit = |most| Submit { scheduling: capped(most), ..run("capped", 4, Need::WholeNode) };
    let refused = world.told(ClientCommand::Submit(Box::new(submit(0)))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "run capped: with a `max_concurrent` of 0 it would never start; allow 1 element or more, or leave it out"
    );
    let none = world.told(ClientCommand::Submit(Box::new(run("empty", 0, Need::WholeNode)))).unwrap_err();
    assert!(matches!(none, Refusal::BadRun { .. }), "{none}");
    assert!(running(&world).is_empty());
    // The name is still free.
    world.submit(submit(1));
    assert_eq!(running(&world), ["capped"]);
    world.check();
}

#[test]
fn a_workspace_runs_and_queues_no_more_than_it_may() {
    let mut world = World::new();
    world.apply_pool(pool("main", 2, 0, 4));
    world.apply_pool(pool("second", 2, 0, 4));
    let set = |max_running, max_open| ClientCommand::SetWorkspace {
        workspace: "default".into(),
        limits: RunLimits { max_running, max_open },
    };
    assert_eq!(world.told(set(Some(2), Some(3))), Ok(Outcome::Done));
    world.submit(run("a", 4, Need::WholeNode));
    world.submit(Submit { pool: Some("second".into()), ..run("b", 1, Need::WholeNode) });
    world.submit(run("c", 1, Need::WholeNode));
    assert_eq!(running(&world), ["a", "a"]);
    let answer = world.told(ClientCommand::Submit(Box::new(run("d", 1, Need::WholeNode))));
    assert!(matches!(answer, Err(Refusal::TooManyRuns { open: 3, limit: 3, .. })), "{answer:?}");
    let (node, fence) = world.running()[0];
    world.end(node, fence, End::Succeeded);
    assert_eq!(running(&world).len(), 2);
    world.told(set(None, None)).unwrap();
    world.pass(Millis::seconds(1));
    assert!(running(&world).contains(&"b".to_owned()), "{:?}", running(&world));
    world.check();
}

/// Two teams with a pool each and one quota for both: the spare is split, and whoever had it before comes later.
#[test]
fn teams_with_pools_of_their_own_share_a_quota_fairly() {
    let mut world = World::new();
    world.told(limit(Some(0))).unwrap();
    let of = |team: &str| tidegate_scheduler::command::PoolSettings {
        team: Some(team.into()),
        ..pool(&format!("pool-{team}"), 2, 0, 8)
    };
    world.apply_pool(of("a"));
    world.apply_pool(of("b"));
    let on = |name: &str, pool: &str| Submit { pool: Some(pool.into()), ..run(name, 20, Need::WholeNode) };
    world.submit(on("a", "pool-a"));
    world.submit(on("b", "pool-b"));
    world.told(limit(Some(16))).unwrap();
    let count = |world: &World, run: &str| running(world).iter().filter(|name| *name == run).count();
    assert_eq!((count(&world, "a"), count(&world, "b")), (4, 4));
    world.check();
}
