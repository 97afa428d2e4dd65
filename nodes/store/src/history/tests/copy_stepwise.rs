//! Copies from every place of one eventful history, also while the sender goes on after each row.

use super::copy::{Replica, rows};
use super::*;

/// Everything that removes or splits rows, with entries of several events among it.
fn changeful_world() -> World {
    let mut world = World::new();
    let all = |name| client(ClientCommand::Cancel(select(name, None)));
    let again = |name, element| client(ClientCommand::Retry(select(name, element)));
    let run = world.submit(submission("array", 30, "{}"));
    let slot = |element| Slot { run, element };
    let first = world.start(run, 0);
    let second = world.start(run, 1);
    world.end(first, End::Succeeded);
    world.cancel("array", None);
    world.end(second, End::Stopped);
    world.retry("array", Some(7));
    world.retry("array", Some(20));
    world.enter(vec![
        again("array", Some(8)),
        again("array", Some(29)),
        all("array"),
        again("array", Some(29)),
    ]);
    let start = |element| Command::Plan(PlanCommand::Start { slot: slot(element), node: NodeId(1) });
    world.enter(vec![again("array", None), start(3), start(4), all("array"), again("array", Some(12))]);
    world.enter(vec![all("array"), again("array", None)]);
    for _ in 0..12 {
        let lost: Vec<Fence> = world.state.attempts().map(|(fence, _)| fence).collect();
        world.enter(
            lost.into_iter().map(|fence| Command::Observed(Observation::AttemptLost { fence })).collect(),
        );
        world.enter(vec![start(5), start(6)]);
    }
    let other = world.submit(submission("other", 1, r#"{"tags": {"x": "y"}}"#));
    world.cancel("other", None);
    world.enter(vec![
        again("other", None),
        all("other"),
        Command::Plan(PlanCommand::Forget { runs: vec![other] }),
    ]);
    world.cancel("array", None);
    world.retry("array", Some(12));
    world.retry("array", Some(13));
    world
}

#[test]
fn from_whatever_place_and_while_the_sender_goes_on_event_by_event() {
    let world = changeful_world();
    let events = &world.events;
    let told = rows(&world);
    let blobs = &world.history().inner.blobs;
    for step in [0, 1] {
        for behind in 0..=events.len() {
            let (sender, receiver) = (Replica::with(blobs), Replica::with(blobs));
            receiver.history().apply(&events[..behind]).unwrap();
            let mut given = if step == 0 { events.len() } else { behind };
            sender.history().apply(&events[..given]).unwrap();
            loop {
                // One row a piece, so that the sender has gone on after each.
                let piece = sender.history().export_up_to(&receiver.history().copy_cursor(), 1).unwrap();
                receiver.history().import(&piece).unwrap();
                if piece.is_last() && given == events.len() {
                    break;
                }
                let next = events.len().min(given + step);
                sender.history().apply(&events[given..next]).unwrap();
                given = next;
            }
            assert_eq!(receiver.rows(), told, "{behind} of {} events, {step} at a time", events.len());
        }
    }
}
