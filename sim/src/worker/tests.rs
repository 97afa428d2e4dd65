use super::*;
use tidegate_scheduler::ids::{ContentId, RunId, Slot};
use tidegate_scheduler::message::StopCause;
use tidegate_scheduler::resources::Resources;
use tidegate_scheduler::time::Millis;

fn assignment(number: u64, on_disconnect: OnDisconnect) -> Box<Assignment> {
    Box::new(Assignment {
        fence: Fence(number),
        slot: Slot { run: RunId(1), element: 0 },
        count: 1,
        run: "r".into(),
        workspace: "default".into(),
        attempt: 1,
        resources: Resources::default(),
        body: ContentId([0; 32]),
        on_disconnect,
        grace: Millis(2000),
    })
}

fn fate(_: &Assignment) -> Fate {
    Fate { prepare: Micros(10), run: Micros(1000), finalize: Micros(5), end: End::Succeeded }
}

fn worker() -> Worker {
    let mut worker = Worker::new(NodeId(1), 77, Micros(0));
    let acts = worker.hear(Micros(0), 1, ToWorker::Attach { term: 3 }, &mut fate);
    assert!(matches!(&acts[..], [Act::Say { link: 1, message: FromWorker::Attach { incarnation: 77, .. } }]));
    worker
}

/// Runs until nothing is to be woken any more; gives back what was said.
fn play(worker: &mut Worker, mut acts: Vec<Act>) -> Vec<FromWorker> {
    let mut said = Vec::new();
    while !acts.is_empty() {
        let mut next = Vec::new();
        for act in acts {
            match act {
                Act::Say { message, .. } => said.push(message),
                Act::Wake { at, fence } => next.extend(worker.wake(at, fence)),
                Act::Ignored => {}
            }
        }
        acts = next;
    }
    said
}

fn ends(said: &[FromWorker]) -> Vec<End> {
    let end = |message: &FromWorker| match message {
        FromWorker::Ended(report) => Some(report.end.clone()),
        _ => None,
    };
    said.iter().filter_map(end).collect()
}

#[test]
fn an_attempt_runs_and_is_told_until_it_is_acknowledged() {
    let mut worker = worker();
    let start = ToWorker::Start(assignment(5, OnDisconnect::Continue));
    let acts = worker.hear(Micros(0), 1, start.clone(), &mut fate);
    let said = play(&mut worker, acts);
    assert_eq!(ends(&said), [End::Succeeded]);
    let again = worker.hear(Micros(2000), 1, start, &mut fate);
    assert_eq!(ends(&play(&mut worker, again)), [], "one that is known is not started again");
    let attach = worker.hear(Micros(3000), 2, ToWorker::Attach { term: 4 }, &mut fate);
    assert_eq!(ends(&play(&mut worker, attach)), [End::Succeeded]);
    worker.hear(Micros(4000), 2, ToWorker::Acknowledge { fence: Fence(5) }, &mut fate);
    assert_eq!(worker.repeat().len(), 1, "it may still say it once more");
    assert_eq!(worker.executions(), 1);
}

#[test]
fn who_led_before_is_not_heeded() {
    let mut worker = worker();
    assert_eq!(worker.hear(Micros(1), 2, ToWorker::Attach { term: 2 }, &mut fate), [Act::Ignored]);
    worker.hear(Micros(1), 2, ToWorker::Attach { term: 4 }, &mut fate);
    let start = ToWorker::Start(assignment(5, OnDisconnect::Continue));
    assert_eq!(worker.hear(Micros(2), 1, start, &mut fate), [Act::Ignored]);
    assert_eq!(worker.current(), Some(2));
    assert_eq!(worker.live().count(), 0);
}

#[test]
fn silence_stops_only_what_says_so() {
    let mut worker = worker();
    for (number, way) in [(5, OnDisconnect::Continue), (6, OnDisconnect::Stop)] {
        worker.hear(Micros(0), 1, ToWorker::Start(assignment(number, way)), &mut fate);
    }
    worker.lose_link(Micros(0), 1);
    assert!(worker.beat(Micros::seconds(2)).is_empty());
    let acts = worker.beat(Micros::seconds(3));
    assert!(matches!(&acts[..], [Act::Wake { fence: Fence(6), .. }]), "{acts:?}");
}

#[test]
fn a_stop_ends_it_and_a_reboot_says_what_was_lost() {
    let mut worker = worker();
    let acts = worker.hear(Micros(0), 1, ToWorker::Start(assignment(5, OnDisconnect::Continue)), &mut fate);
    let stop = ToWorker::Stop { fence: Fence(5), cause: StopCause::Canceled };
    let stopping = worker.hear(Micros(1), 1, stop, &mut fate);
    assert_eq!(ends(&play(&mut worker, [acts, stopping].concat())), [End::Stopped]);
    worker.hear(Micros(2), 1, ToWorker::Start(assignment(6, OnDisconnect::Continue)), &mut fate);
    worker.reboot(Micros(3));
    let attach = worker.hear(Micros(4), 1, ToWorker::Attach { term: 1 }, &mut fate);
    let ends = ends(&play(&mut worker, attach));
    assert!(matches!(&ends[..], [End::Stopped, End::System { .. }]), "{ends:?}");
}
