//! Decisions as text: a cluster and runs in, what happens out.

mod world;

use std::fmt::Write;
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::message::End;
use tidegate_scheduler::resources::Need;
use tidegate_scheduler::time::Millis;
use world::{World, limit, pool, run, select, vcpu};

/// Who is where: nodes with what runs on them, then what waits.
fn picture(world: &World) -> String {
    let state = world.core.state();
    let mut text = String::new();
    for (id, node) in state.nodes() {
        let runs: Vec<String> = node
            .attempts
            .iter()
            .filter_map(|fence| state.attempt(*fence))
            .map(|attempt| match state.run(attempt.slot.run) {
                Some(run) if run.elements.count() > 1 => format!("{}/{}", run.name, attempt.slot.element),
                Some(run) => run.name.to_string(),
                None => "?".to_owned(),
            })
            .collect();
        writeln!(text, "{id} {:?} free {}: {}", node.phase, node.free.vcpu, runs.join(" ")).unwrap();
    }
    let waiting = state.runs().iter().filter(|(_, run)| run.elements.counts().waiting > 0);
    for (_, run) in waiting {
        writeln!(text, "waits: {} x{}", run.name, run.elements.counts().waiting).unwrap();
    }
    text
}

fn finish(world: &mut World, name: &str) {
    let found = world.running().into_iter().find(|(node, fence)| {
        let assignment = &world.workers[node].running[fence];
        assignment.run == name
    });
    let (node, fence) = found.expect("it runs");
    world.end(node, fence, End::Succeeded);
}

#[test]
fn parts_go_on_the_fullest_node_that_has_room() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 3));
    world.submit(run("three", 1, vcpu(3)));
    world.submit(run("two", 1, vcpu(2)));
    world.submit(run("one", 1, vcpu(1)));
    insta::assert_snapshot!(picture(&world), @r"
    n1 Ready free 0: three one
    n2 Ready free 2: two
    ");
    world.check();
}

#[test]
fn whole_nodes_by_default_and_the_pool_grows_to_its_maximum() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 2));
    world.submit(run("a", 1, Need::WholeNode));
    world.submit(run("b", 1, Need::WholeNode));
    world.submit(run("c", 1, Need::WholeNode));
    world.submit(run("part", 1, vcpu(1)));
    insta::assert_snapshot!(picture(&world), @r"
    n1 Ready free 0: a
    n2 Ready free 0: b
    waits: c x1
    waits: part x1
    ");
    finish(&mut world, "a");
    insta::assert_snapshot!(picture(&world), @r"
    n1 Ready free 0: c
    n2 Ready free 0: b
    waits: part x1
    ");
}

#[test]
fn priority_goes_first_then_submission() {
    let mut world = World::new();
    world.apply_pool(pool("main", 2, 0, 1));
    world.submit(run("first", 1, Need::WholeNode));
    world.submit(run("later", 1, vcpu(2)));
    world.submit(tidegate_scheduler::command::Submit { priority: 75, ..run("urgent", 1, Need::WholeNode) });
    world.submit(run("last", 1, Need::WholeNode));
    let mut order = Vec::new();
    while let Some((node, fence)) = world.running().first().copied() {
        order.push(world.workers[&node].running[&fence].run.clone());
        world.end(node, fence, End::Succeeded);
    }
    assert_eq!(order, ["first", "urgent", "later", "last"]);
}

#[test]
fn arrays_leave_the_queue_in_order_and_in_one_record() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 2));
    world.submit(run("many", 1000, vcpu(1)));
    insta::assert_snapshot!(picture(&world), @r"
    n1 Ready free 0: many/0 many/1 many/2 many/3
    n2 Ready free 0: many/4 many/5 many/6 many/7
    waits: many x992
    ");
    world.told(ClientCommand::Cancel(select("many", None))).unwrap();
    insta::assert_snapshot!(picture(&world), @r"
    n1 Ready free 0: many/0 many/1 many/2 many/3
    n2 Ready free 0: many/4 many/5 many/6 many/7
    ");
    assert_eq!(world.workers.values().map(|worker| worker.stopping.len()).sum::<usize>(), 8);
}

#[test]
fn quota_stops_growth_and_raising_it_goes_on() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 5));
    world.told(limit(Some(4))).unwrap();
    world.submit(run("a", 2, Need::WholeNode));
    insta::assert_snapshot!(picture(&world), @r"
    n1 Ready free 0: a/0
    waits: a x1
    ");
    let now = world.core.cluster_now();
    let (id, _) = world.core.state().find_run("default", "a").unwrap();
    let reasons = tidegate_scheduler::forecast::explain(
        world.core.state(),
        world.core.index(),
        world.core.watch().silent(),
        now,
        id,
    );
    let text: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    it needs a whole node; of the 1 ready nodes of pool main the emptiest has 0 vCPU, 0 MiB free
    quota of testD (dedicated, local): one more node needs 4 vCPU, 4 of 4 are used; raise it with `tidegate quota set testD 8 --tier dedicated --region local`
    ");
    world.told(limit(Some(8))).unwrap();
    world.pass(Millis(1000));
    insta::assert_snapshot!(picture(&world), @r"
    n1 Ready free 0: a/0
    n2 Ready free 0: a/1
    ");
    world.check();
}

#[test]
fn idle_nodes_go_after_the_idle_time_down_to_the_minimum() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 1, 5));
    world.submit(run("a", 3, Need::WholeNode));
    for (node, fence) in world.running() {
        world.end(node, fence, End::Succeeded);
    }
    world.pass(Millis::seconds(119));
    assert_eq!(world.core.state().nodes().count(), 3);
    world.pass(Millis::seconds(2));
    assert_eq!(world.core.state().nodes().count(), 1);
    world.pass(Millis::seconds(1000));
    assert_eq!(world.core.state().nodes().count(), 1);
    world.check();
}

#[test]
fn a_silent_node_takes_nothing_new_and_loses_its_runs_only_later() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 2));
    world.submit(run("a", 1, vcpu(1)));
    let node = world.running()[0].0;
    let worker = world.workers.remove(&node).unwrap();
    world.smooth = true;
    world.provisioned.remove(&node);
    world.pass(Millis::seconds(5));
    world.submit(run("b", 1, vcpu(1)));
    insta::assert_snapshot!(picture(&world), @r"
    n1 Ready free 3: a
    n2 Ready free 3: b
    ");
    // Heard again: it has its run still, which goes on and is not doubled.
    world.workers.insert(node, worker);
    world.attach(node);
    world.follow();
    finish(&mut world, "a");
    assert_eq!(world.executions.len(), 2);
    world.check();
}

/// What a worker says before a controller leads is lost; the leader asks for it.
#[test]
fn a_leader_asks_a_worker_that_it_has_not_heard_attach() {
    let mut world = World::new();
    world.apply_pool(pool("main", 4, 0, 1));
    world.submit(run("a", 2, vcpu(1)));
    // It ends while nobody listens: the report is lost, and so is what the worker says to the next life.
    let (node, fence) = world.running()[0];
    world.end_unheard(node, fence, End::Succeeded);
    world.crash_unheard();
    assert_eq!(world.core.state().attempts().count(), 1);
    assert_eq!(world.executions.len(), 2);
    world.check();
}
