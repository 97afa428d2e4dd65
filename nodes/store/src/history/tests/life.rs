//! One run, one array, and what is told of them.

use tidegate_scheduler::event::{Ending, What};

use super::*;
use crate::history::{EventFilter, HistoryError};

const BODY: &str = r#"{"command": "true", "display_name": "Shown", "tags": {"team": "blue", "bare": null}}"#;

#[test]
fn a_run_is_told_from_submission_to_its_end() {
    let mut world = World::new();
    let run = world.submit(submission("first", 1, BODY));
    let slot = Slot { run, element: 0 };
    let row = world.history().find_run("default", "first").unwrap().unwrap();
    assert_eq!((row.run, row.pool.as_str(), row.ending), (run, "cpu", None));
    assert_eq!(row.submit, Submit { body: Vec::new(), ..submission("first", 1, BODY) });
    assert_eq!(row.display_name.as_deref(), Some("Shown"));
    assert_eq!(world.history().body(run).unwrap().unwrap(), BODY.as_bytes());
    assert_eq!(
        world.history().tags(run).unwrap(),
        [("bare".to_owned(), None), ("team".to_owned(), Some("blue".to_owned()))]
    );

    let first = world.start(run, 0);
    world.end(first, End::Exited { code: 3 });
    let row = world.history().run(run).unwrap().unwrap();
    assert_eq!((row.started, row.ended, row.report), (Some(report(first, End::Stopped).started), None, None));
    let second = world.start(run, 0);
    world.end(second, End::Succeeded);

    let row = world.history().run(run).unwrap().unwrap();
    assert_eq!((row.ending, row.completed), (Some(Ending::Completed), 1));
    assert_eq!(row.ended, Some(WallMicros(world.state.applied() * 1_000_000)));
    assert_eq!(row.started, Some(report(first, End::Stopped).started), "of the first try");
    assert_eq!(row.report, Some(report(second, End::Succeeded)));
    let attempts = world.history().attempts(slot).unwrap();
    let told: Vec<_> =
        attempts.iter().map(|a| (a.fence, a.attempt, a.accepted(), a.reason.as_deref())).collect();
    assert_eq!(told, [(first, 1, false, Some("exit code 3")), (second, 2, true, None)]);
    assert_eq!(attempts[0].report, Some(report(first, End::Exited { code: 3 })));
    assert_eq!(world.history().attempt(second).unwrap().as_ref(), attempts.get(1));
    let element = world.history().element(slot).unwrap().unwrap();
    assert_eq!((element.ending, element.fence), (Ending::Completed, Some(second)));
    assert_eq!(world.history().applied_index(), world.state.applied());
}

#[test]
fn what_the_system_lost_is_told() {
    let mut world = World::new();
    let run = world.submit(submission("lost", 1, "{}"));
    let mut fences = Vec::new();
    while world.history().run(run).unwrap().unwrap().ending.is_none() {
        let fence = world.start(run, 0);
        fences.push(fence);
        world.enter(vec![Command::Observed(Observation::AttemptLost { fence })]);
    }
    let row = world.history().run(run).unwrap().unwrap();
    assert_eq!((row.ending, row.failed, row.report), (Some(Ending::Failed), 1, None));
    assert!(row.reason.unwrap().contains("no longer knows"));
    let attempts = world.history().attempts(Slot { run, element: 0 }).unwrap();
    assert_eq!(attempts.len(), fences.len());
    assert!(attempts.iter().all(|attempt| attempt.ended.is_some() && !attempt.accepted()));
}

#[test]
fn elements_cancelled_together_are_told_one_by_one() {
    let mut world = World::new();
    let run = world.submit(submission("array", 5000, "{}"));
    let fence = world.start(run, 0);
    world.end(fence, End::Succeeded);
    world.cancel("array", Some(2500));
    let running = world.start(run, 1);
    world.cancel("array", None);
    assert_eq!(world.history().run(run).unwrap().unwrap().canceled, 4998);
    world.end(running, End::Stopped);

    let row = world.history().run(run).unwrap().unwrap();
    assert_eq!((row.completed, row.failed, row.canceled), (1, 0, 4999));
    assert_eq!((row.ending, row.cancel_requested), (Some(Ending::Canceled), true));
    let mut told = Vec::new();
    let mut cursor = None;
    loop {
        let page = world.history().elements(run, None, cursor, 700).unwrap();
        told.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(told.iter().map(|row| row.element).collect::<Vec<_>>(), (0..5000).collect::<Vec<_>>());
    assert!(told.iter().skip(1).all(|row| row.ending == Ending::Canceled));
    assert_eq!(told[2500].index + 2, told[2501].index, "cancelled by itself, before the others");
    let one = |element| world.history().element(Slot { run, element }).unwrap();
    assert_eq!(one(4999).unwrap(), told[4999]);
    assert_eq!(one(2500).unwrap(), told[2500]);
    assert_eq!(one(5000), None);
    let completed = world.history().elements(run, Some(Ending::Completed), None, 10).unwrap().items;
    assert_eq!(completed, told[..1]);
    let canceled = world.history().elements(run, Some(Ending::Canceled), None, 3).unwrap().items;
    assert_eq!(canceled, told[1..4]);

    world.retry("array", Some(3000));
    assert_eq!(world.history().element(Slot { run, element: 3000 }).unwrap(), None);
    assert!(world.history().element(Slot { run, element: 3001 }).unwrap().is_some());
    let row = world.history().run(run).unwrap().unwrap();
    assert_eq!((row.ending, row.ended, row.canceled), (None, None, 4998));
}

#[test]
fn what_no_row_tells_is_an_event() {
    let mut world = World::new();
    let run = world.submit(submission("run", 3, "{}"));
    world.cancel("run", Some(1));
    world.retry("run", Some(1));
    let of_run = world.history().events(EventFilter::Run(run), None, 100).unwrap().items;
    assert!(matches!(of_run[0].what, What::Retried { .. }), "the newest first");
    assert_eq!(of_run.len(), 3);
    let of_node = world.history().events(EventFilter::Node(NodeId(1)), None, 100).unwrap().items;
    assert_eq!(of_node.len(), 2, "requested and ready: {of_node:?}");
    let all = world.history().events(EventFilter::All, None, 100).unwrap().items;
    assert_eq!(all.len(), 6);
    let mut paged = Vec::new();
    let mut cursor = None;
    loop {
        let page = world.history().events(EventFilter::All, cursor, 1).unwrap();
        paged.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, all);
    for event in &all {
        assert!(world.events.contains(event));
    }
}

#[test]
fn a_body_that_is_not_its_digest_is_refused_whole() {
    let mut world = World::new();
    let mut wrong = submission("wrong", 1, "{}");
    wrong.body = b"something else".to_vec();
    let good = submission("good", 1, "{}");
    let submits = [good, wrong].map(|submit| client(ClientCommand::Submit(Box::new(submit))));
    let events = world.decide(submits.into());
    let before = world.dump();
    let error = world.history().apply(&events).unwrap_err();
    assert!(matches!(&error, HistoryError::Body { run } if run == "wrong"), "{error}");
    assert_eq!(world.dump(), before);
}

#[test]
fn a_flush_makes_what_was_written_durable() {
    let mut world = World::new();
    world.submit(submission("run", 1, "{}"));
    world.history().flush().unwrap();
    // What stands in the two synced files is all there is: a copy of them alone tells the same.
    let copy = TempDir::new().unwrap();
    for file in ["history.db", "history.db-wal"] {
        std::fs::copy(world.folder.path().join(file), copy.path().join(file)).unwrap();
    }
    let blobs = BlobStore::open(copy.path().join("blobs"), StoreOptions::default()).unwrap();
    let history = History::open(&copy.path().join("history.db"), blobs).unwrap();
    assert!(history.find_run("default", "run").unwrap().is_some());
    world.reopen();
    world.history().flush().unwrap();
}
