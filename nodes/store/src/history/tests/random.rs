//! Random histories of the scheduler's real state, with restarts: what history tells is what the state says.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tidegate_scheduler::state::elements::ElementState;

use super::*;

pub(super) fn random_command(world: &World, random: &mut StdRng) -> Option<Command> {
    let runs: Vec<(RunId, String, u32)> =
        world.state.runs().iter().map(|(id, run)| (id, run.name.to_string(), run.elements.count())).collect();
    let any = runs.choose(random);
    let one =
        |random: &mut StdRng, count: u32| random.random_bool(0.6).then(|| random.random_range(0..count));
    Some(match random.random_range(0..20) {
        0..2 => {
            let count = *[1, 1, 2, 7, 40].choose(random)?;
            let name = format!("run{}", random.random_range(0..60));
            let body = format!(r#"{{"tags": {{"n": "{}"}}}}"#, random.random_range(0..4));
            let retries = random.random_range(0..2);
            let submit = Submit { retries, ..submission(&name, count, &body) };
            client(ClientCommand::Submit(Box::new(submit)))
        }
        2..9 => {
            let (run, _, count) = any?;
            let slot = Slot { run: *run, element: random.random_range(0..*count) };
            Command::Plan(PlanCommand::Start { slot, node: NodeId(1) })
        }
        9..14 => {
            let attempts: Vec<Fence> = world.state.attempts().map(|(fence, _)| fence).collect();
            let fence = *attempts.choose(random)?;
            let end = [
                End::Succeeded,
                End::Exited { code: 1 },
                End::Stopped,
                End::TimedOut,
                End::System { reason: "x".into() },
            ];
            let report = Box::new(report(fence, end.choose(random)?.clone()));
            Command::Observed(Observation::Ended { node: NodeId(1), report })
        }
        14 => {
            let attempts: Vec<Fence> = world.state.attempts().map(|(fence, _)| fence).collect();
            Command::Observed(Observation::AttemptLost { fence: *attempts.choose(random)? })
        }
        15..17 => {
            let (_, name, count) = any?;
            client(ClientCommand::Cancel(select(name, one(random, *count))))
        }
        17..19 => {
            let (_, name, count) = any?;
            client(ClientCommand::Retry(select(name, one(random, *count))))
        }
        _ => Command::Plan(PlanCommand::Forget { runs: vec![any?.0] }),
    })
}

/// History says of every run and every element what the state says.
fn compare(world: &World) {
    let history = world.history();
    let mut told = 0;
    for (id, run) in world.state.runs().iter() {
        let row = history.run(id).unwrap().unwrap_or_else(|| panic!("{id} is missing"));
        let counts = run.elements.counts();
        assert_eq!(
            (row.completed, row.failed, row.canceled),
            (counts.completed, counts.failed, counts.canceled),
            "{id}"
        );
        assert_eq!(row.ending, run.elements.ending(), "{id}");
        assert_eq!(row.cancel_requested, run.cancel_requested, "{id}");
        let elements = history.elements(id, None, None, 1000).unwrap().items;
        let ended: Vec<_> = (0..run.elements.count())
            .filter_map(|element| match run.elements.state(element) {
                Some(ElementState::Ended(ending)) => Some((element, ending)),
                _ => None,
            })
            .collect();
        assert_eq!(elements.iter().map(|row| (row.element, row.ending)).collect::<Vec<_>>(), ended, "{id}");
        told += 1;
    }
    assert_eq!(history.runs(&Default::default(), None, 1000).unwrap().items.len(), told);
    for (fence, attempt) in world.state.attempts() {
        let row = history.attempt(fence).unwrap().unwrap();
        assert_eq!((row.slot, row.ended), (attempt.slot, None));
    }
}

/// Opens history again and gives it the events from some entry on once more, in random batches.
fn restart(world: &mut World, random: &mut StdRng) {
    let dump = world.dump();
    world.reopen();
    let from = random.random_range(0..=world.state.applied());
    let mut again = &world.events[world.events.partition_point(|event| event.index < from)..];
    while !again.is_empty() {
        let (batch, rest) = again.split_at(random.random_range(1..=again.len().min(30)));
        world.history().apply(batch).unwrap();
        again = rest;
    }
    assert_eq!(world.dump(), dump, "what comes again changes nothing");
}

#[test]
fn history_tells_what_the_state_says() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::new();
    let mut waiting: Vec<Event> = Vec::new();
    for step in 0..1500 {
        let commands =
            (0..random.random_range(1..6)).filter_map(|_| random_command(&world, &mut random)).collect();
        waiting.extend(world.decide(commands));
        // Batches end anywhere, also in the middle of an entry.
        let now = random.random_range(0..=waiting.len());
        let batch: Vec<Event> = waiting.drain(..now).collect();
        world.history().apply(&batch).unwrap();
        if step % 100 == 99 {
            if random.random_bool(0.5) {
                // Lost with the process, and given again by the log.
                waiting.clear();
                world.reopen();
                let from = world.history().applied_index();
                let first = world.events.partition_point(|event| event.index < from);
                world.history().apply(&world.events[first..]).unwrap();
            }
            world.history().apply(&std::mem::take(&mut waiting)).unwrap();
            compare(&world);
            restart(&mut world, &mut random);
        }
    }
    compare(&world);
}
