//! Random histories: clients, ends, lost messages, dead workers and crashes of the controller, checked after
//! every step. A failing case prints its seed; `PROPTEST_CASES` and the regressions file replay it.

mod world;

use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::event::What;
use tidegate_scheduler::message::End;
use tidegate_scheduler::resources::Need;
use tidegate_scheduler::state::elements::ElementState;
use tidegate_scheduler::time::Millis;
use tidegate_scheduler::{Limits, Outcome, State};
use world::{World, pool, run, select, vcpu};

#[derive(Clone, Debug)]
enum Step {
    Submit { count: u32, vcpu: u32, retries: u16, again: bool },
    End { which: usize, how: u8 },
    Cancel { which: usize, element: Option<u32> },
    Retry { which: usize, element: Option<u32> },
    Quota(Option<u64>),
    Pool { max: u32 },
    Pass(u64),
    Sync(bool),
    WorkerDies(usize),
    WorkerReattaches(usize),
    NodeVanishes(usize),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let element = || prop::option::of(0..6u32);
    prop_oneof![
        6 => (1..6u32, 0..5u32, 0..3u16, any::<bool>())
            .prop_map(|(count, vcpu, retries, again)| Step::Submit { count, vcpu, retries, again }),
        12 => (any::<usize>(), 0..12u8).prop_map(|(which, how)| Step::End { which, how }),
        2 => (any::<usize>(), element()).prop_map(|(which, element)| Step::Cancel { which, element }),
        2 => (any::<usize>(), element()).prop_map(|(which, element)| Step::Retry { which, element }),
        1 => prop::option::of(0..40u64).prop_map(Step::Quota),
        1 => (0..5u32).prop_map(|max| Step::Pool { max }),
        4 => (0..200_000u64).prop_map(Step::Pass),
        2 => any::<bool>().prop_map(Step::Sync),
        1 => any::<usize>().prop_map(Step::WorkerDies),
        2 => any::<usize>().prop_map(Step::WorkerReattaches),
        1 => any::<usize>().prop_map(Step::NodeVanishes),
        2 => Just(Step::Crash),
    ]
}

/// What clients were promised: runs that were acknowledged, and ends that were told.
#[derive(Default)]
struct Promises {
    runs: Vec<String>,
    retried: BTreeMap<String, u32>,
    crashes: u32,
    ends: u32,
}

fn ending(how: u8) -> End {
    match how {
        0..=5 => End::Succeeded,
        6..=7 => End::Exited { code: 1 },
        8 => End::Signaled { signal: 9, out_of_memory: true },
        9 => End::TimedOut,
        10 => End::Stopped,
        _ => End::System { reason: "a lost keeper".into() },
    }
}

fn nth<T: Copy>(all: &[T], which: usize) -> Option<T> {
    (!all.is_empty()).then(|| all[which % all.len()])
}

fn play(world: &mut World, promises: &mut Promises, step: Step) {
    match step {
        Step::Submit { count, vcpu: part, retries, again } => {
            let name = match nth(&(0..promises.runs.len()).collect::<Vec<_>>(), count as usize) {
                Some(known) if again => promises.runs[known].clone(),
                _ => format!("run-{}", world.events.len()),
            };
            let need = if part == 0 { Need::WholeNode } else { vcpu(part) };
            let submit = tidegate_scheduler::command::Submit { retries, ..run(&name, count, need) };
            let token = world.ask(ClientCommand::Submit(Box::new(submit)));
            if let Some(Ok(Outcome::Submitted { known: false, .. })) = world.replies.get(&token) {
                promises.runs.push(name);
            }
        }
        Step::End { which, how } => {
            if let Some((node, fence)) = nth(&world.running(), which) {
                world.end(node, fence, ending(how));
                promises.ends += 1;
            }
        }
        Step::Cancel { which, element } | Step::Retry { which, element } if promises.runs.is_empty() => {
            let _ = (which, element);
        }
        Step::Cancel { which, element } => {
            let name = &promises.runs[which % promises.runs.len()].clone();
            world.ask(ClientCommand::Cancel(select(name, element)));
        }
        Step::Retry { which, element } => {
            let name = promises.runs[which % promises.runs.len()].clone();
            world.ask(ClientCommand::Retry(select(&name, element)));
            *promises.retried.entry(name).or_default() += 1;
        }
        Step::Quota(limit) => drop(world.ask(world::limit(limit))),
        Step::Pool { max } => drop(world.ask(ClientCommand::ApplyPool(Box::new(pool("main", 4, 0, max))))),
        Step::Pass(span) => world.pass(Millis(span)),
        Step::Sync(smooth) => {
            world.smooth = smooth;
            world.follow();
        }
        Step::WorkerDies(which) => {
            let nodes: Vec<_> = world.workers.keys().copied().collect();
            if let Some(node) = nth(&nodes, which) {
                let worker = world.workers.get_mut(&node).expect("it is there");
                // Its folder is gone: what ran there is no more, and the next life is another one.
                *worker = world::Worker { incarnation: worker.incarnation + 1000, ..Default::default() };
                world.attach(node);
                world.follow();
            }
        }
        Step::WorkerReattaches(which) => {
            let nodes: Vec<_> = world.workers.keys().copied().collect();
            if let Some(node) = nth(&nodes, which) {
                world.attach(node);
                world.follow();
            }
        }
        Step::NodeVanishes(which) => {
            let nodes: Vec<_> = world.workers.keys().copied().collect();
            if let Some(node) = nth(&nodes, which) {
                world.gone(node);
                world.follow();
            }
        }
        Step::Crash => {
            promises.crashes += 1;
            world.crash();
        }
    }
}

/// Nothing acknowledged is lost, and nothing has two results unless somebody asked for it again.
fn check(world: &World, promises: &Promises) {
    world.check();
    for name in &promises.runs {
        assert!(
            world.core.state().find_run("default", name).is_some(),
            "{name} was acknowledged and is lost"
        );
    }
    for ((id, element), count) in world.results() {
        let name = world.events.iter().find_map(|event| match &event.what {
            What::Submitted { run, submit, .. } if run.0 == id => Some(submit.name.clone()),
            _ => None,
        });
        let again = name.and_then(|name| promises.retried.get(&name).copied()).unwrap_or_default();
        assert!(count <= 1 + again, "element {element} of r{id} has {count} results");
    }
}

/// With all faults gone, everything comes to its end.
fn heal(world: &mut World) {
    world.smooth = true;
    world.follow();
    world.told(world::limit(None)).unwrap();
    world.told(ClientCommand::ApplyPool(Box::new(pool("main", 4, 0, 3)))).unwrap();
    for _ in 0..400 {
        let nodes: Vec<_> = world.workers.keys().copied().collect();
        for node in nodes {
            world.attach(node);
            world.follow();
        }
        for (node, fence) in world.running() {
            let stopped = world.workers[&node].stopping.contains(&fence);
            world.end(node, fence, if stopped { End::Stopped } else { End::Succeeded });
        }
        world.pass(Millis::seconds(2));
        if world.core.state().runs().iter().all(|(_, run)| run.ended.is_some()) {
            return;
        }
    }
    let open: Vec<_> = world.core.state().runs().iter().filter(|(_, run)| run.ended.is_none()).collect();
    panic!("these runs do not end: {open:#?}");
}

thread_local! {
    static SEEN: RefCell<(u32, u32, u32, u32)> = const { RefCell::new((0, 0, 0, 0)) };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    fn nothing_acknowledged_is_lost_or_doubled(steps in prop::collection::vec(step(), 1..120), tight: bool) {
        // With tight bounds, snapshots and trimming happen all the time.
        let limits = match tight {
            true => Limits { entries_per_snapshot: 7, tail_bytes: 0, commands_per_entry: 2, ..Limits::default() },
            false => Limits::default(),
        };
        let mut world = World::with(limits);
        world.apply_pool(pool("main", 4, 0, 3));
        let mut promises = Promises::default();
        for step in steps {
            play(&mut world, &mut promises, step);
            check(&world, &promises);
        }
        heal(&mut world);
        check(&world, &promises);
        let state = world.core.state();
        let image = state.encode();
        prop_assert_eq!(&State::decode(&image).unwrap(), state);
        for (id, run) in state.runs().iter() {
            for element in 0..run.elements.count() {
                let slot = tidegate_scheduler::ids::Slot { run: id, element };
                prop_assert!(matches!(state.element(slot), Some(ElementState::Ended(_))));
            }
        }
        SEEN.with_borrow_mut(|seen| {
            seen.0 += promises.crashes;
            seen.1 += promises.ends;
            seen.2 += promises.retried.len() as u32;
            seen.3 += u32::from(world.snapshot.is_some());
        });
    }
}

/// Plays the histories, which prove where they went.
#[test]
fn random_histories_keep_every_promise() {
    nothing_acknowledged_is_lost_or_doubled();
    let (crashes, ends, retries, snapshots) = SEEN.with_borrow(|seen| *seen);
    assert!(
        crashes > 100 && ends > 1000 && retries > 50 && snapshots > 50,
        "{:?}",
        (crashes, ends, retries, snapshots)
    );
}
