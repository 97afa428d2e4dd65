//! What is done, as text: one line for each action.

use tidegate_scheduler::{
    ids::{ContentId, RunId, Slot},
    message::Report,
    resources::Resources,
};

use super::*;
use crate::keeper::protocol::{
    AttemptStatus, Exit, FromKeeper, Limits, Outcome, Phase as KeeperPhase, StartRequest,
};

struct Bench {
    attempts: Attempts,
    now: Moment,
    /// The link on which the leader is, and its term.
    link: LinkId,
    term: u64,
}

impl Bench {
    /// With a keeper and a controller.
    fn new() -> Self {
        let mut bench = Self::alone();
        bench.attempts.on_keeper_up(bench.now, vec![]);
        assert_eq!(bench.attach(), "attach []");
        bench
    }

    fn alone() -> Self {
        let settings = Settings {
            incarnation: 7,
            preparing_max: 2,
            lease: Millis::seconds(3),
            leave_after: Millis::seconds(600),
        };
        let now = Moment { elapsed: Millis(0), wall: WallMicros(100) };
        Self { attempts: Attempts::new(settings, now), now, link: LinkId(0), term: 3 }
    }

    fn start(&mut self, fence: u64) -> String {
        self.start_with(fence, OnDisconnect::Continue)
    }

    fn start_with(&mut self, fence: u64, on_disconnect: OnDisconnect) -> String {
        let assignment = assignment(fence, on_disconnect);
        self.says(ToWorker::Start(Box::new(assignment)))
    }

    fn says(&mut self, message: ToWorker) -> String {
        self.says_on(self.link, message)
    }

    fn says_on(&mut self, link: LinkId, message: ToWorker) -> String {
        self.attempts.on_controller(self.now, link, message);
        self.done()
    }

    fn stop(&mut self, fence: u64) -> String {
        self.says(ToWorker::Stop { fence: Fence(fence), cause: StopCause::Canceled })
    }

    fn acknowledge(&mut self, fence: u64) -> String {
        self.says(ToWorker::Acknowledge { fence: Fence(fence) })
    }

    fn prepared(&mut self, fence: u64) -> String {
        self.attempts.on_prepared(self.now, Fence(fence), Ok(prepared(fence)));
        self.done()
    }

    fn refused(&mut self, fence: u64, end: End) -> String {
        self.attempts.on_prepared(self.now, Fence(fence), Err(Refusal { end, record: None }));
        self.done()
    }

    fn running(&mut self, fence: u64) -> String {
        self.attempts.on_keeper(self.now, FromKeeper::Started { fence, pid: 1, started_unix_us: 200 });
        self.done()
    }

    fn exited(&mut self, fence: u64, outcome: Outcome) -> String {
        self.attempts.on_keeper(self.now, FromKeeper::Exited(exit(fence, outcome, Cause::Natural)));
        self.done()
    }

    fn finished(&mut self, fence: u64, end: End, blobs: usize) -> String {
        let report = Report {
            fence: Fence(fence),
            end,
            started: WallMicros(0),
            ended: WallMicros(0),
            cpu_micros: 0,
            max_rss_kib: 0,
            artifacts: vec![],
            notes: vec![],
        };
        let blobs = vec![serde_bytes::ByteBuf::from(vec![0; 3]); blobs];
        self.attempts.on_finished(self.now, Parcel { report: Box::new(report), blobs }, true);
        self.done()
    }

    fn keeper_up(&mut self, list: Vec<(u64, KeeperPhase)>) -> String {
        let list = list.into_iter().map(|(fence, phase)| AttemptStatus { fence, phase }).collect();
        self.attempts.on_keeper_up(self.now, list);
        self.done()
    }

    fn attach(&mut self) -> String {
        self.link.0 += 1;
        let said = self.says(ToWorker::Attach { term: self.term });
        let follow = format!("follow {}; ", self.link.0);
        said.strip_prefix(&follow).expect("the new link is followed").to_owned()
    }

    fn detach(&mut self) {
        self.attempts.on_lost(self.now, self.link, Millis(0));
        assert_eq!(self.done(), "");
    }

    fn tell(&mut self) -> String {
        self.attempts.on_tell(self.now);
        self.done()
    }

    fn after(&mut self, seconds: u64) -> String {
        self.now.elapsed = self.now.elapsed.after(Millis::seconds(seconds));
        self.attempts.on_tick(self.now);
        self.done()
    }

    /// Up to the run of its command.
    fn run(&mut self, fence: u64) {
        self.start(fence);
        self.prepared(fence);
        self.running(fence);
        self.tell();
    }

    fn done(&mut self) -> String {
        self.attempts.take().iter().map(text).collect::<Vec<_>>().join("; ")
    }
}

fn assignment(fence: u64, on_disconnect: OnDisconnect) -> Assignment {
    Assignment {
        fence: Fence(fence),
        slot: Slot { run: RunId(fence), element: 0 },
        count: 1,
        run: "r".into(),
        workspace: "w".into(),
        attempt: 1,
        resources: Resources::default(),
        body: ContentId([0; 32]),
        on_disconnect,
        grace: Millis(50),
    }
}

fn record(fence: u64) -> Record {
    Record {
        assignment: assignment(fence, OnDisconnect::Continue),
        outputs: vec![],
        environment: "host".into(),
        notes: vec!["on the host".into()],
    }
}

fn prepared(fence: u64) -> Prepared {
    let start = StartRequest {
        fence,
        argv: vec!["true".into()],
        env: vec![],
        cwd: "/".into(),
        stdout: "/o".into(),
        stderr: "/e".into(),
        limits: Limits::default(),
        timeout_ms: None,
        grace_ms: 50,
        log_limit_bytes: 0,
    };
    Prepared { start: Arc::new(ToKeeper::Start(start)), record: Arc::new(record(fence)) }
}

fn exit(fence: u64, outcome: Outcome, cause: Cause) -> Exit {
    Exit {
        fence,
        outcome,
        cause,
        oom_killed: false,
        started_unix_us: 200,
        ended_unix_us: 300,
        cpu_us: 5,
        max_rss_kib: 6,
        log_truncated: false,
    }
}

fn text(action: &Action) -> String {
    match action {
        Action::Prepare(assignment) => format!("prepare {}", assignment.fence.0),
        Action::CancelPreparing(fence) => format!("cancel {}", fence.0),
        Action::Order(order) => match &**order {
            ToKeeper::Start(start) => format!("order start {}", start.fence),
            ToKeeper::Stop { fence, grace_ms, .. } => format!("order stop {fence} {grace_ms}"),
            ToKeeper::Forget { fences } => format!("order forget {fences:?}"),
            other => format!("order {other:?}"),
        },
        Action::Finish(finish) => {
            let notes = if finish.notes.is_empty() { String::new() } else { format!(" {:?}", finish.notes) };
            format!("finish {} {}{notes}", finish.assignment.fence.0, finish.ending.end)
        }
        Action::Follow(link) => format!("follow {}", link.0),
        Action::Say(FromWorker::Attach { attempts, .. }) => {
            let attempts: Vec<String> =
                attempts.iter().map(|(fence, phase, _)| format!("{} {phase:?}", fence.0)).collect();
            format!("attach [{}]", attempts.join(", "))
        }
        Action::Say(FromWorker::Phase { fence, phase, at }) => format!("say {} {phase:?} {}", fence.0, at.0),
        Action::Say(other) => format!("say {other:?}"),
        Action::Deliver(parcel) => format!("deliver {} {}", parcel.report.fence.0, parcel.blobs.len()),
        Action::DeliverFile(fence) => format!("deliver file {}", fence.0),
        Action::TellSoon => "tell soon".to_owned(),
        Action::Remove(fence) => format!("remove {}", fence.0),
        Action::Leave { keep_results } => format!("leave keeping={keep_results}"),
    }
}

#[test]
fn a_run_from_its_start_to_its_acknowledgement() {
    let mut bench = Bench::new();
    assert_eq!(bench.start(1), "prepare 1; tell soon");
    assert_eq!(bench.prepared(1), "order start 1");
    assert_eq!(bench.tell(), "say 1 Starting 100");
    assert_eq!(bench.running(1), "tell soon");
    assert_eq!(bench.tell(), "say 1 Running 200");
    assert_eq!(bench.exited(1, Outcome::Code(0)), r#"finish 1 exit code 0 ["on the host"]; tell soon"#);
    assert_eq!(bench.attempts.is_over(Fence(1)), Some(true));
    assert_eq!(bench.finished(1, End::Succeeded, 0), "deliver 1 0");
    // The end has said it all.
    assert_eq!(bench.tell(), "");
    assert_eq!(bench.acknowledge(1), "remove 1");
    assert_eq!(bench.acknowledge(1), "");
    assert_eq!(bench.attempts.is_over(Fence(1)), None);
    assert_eq!(bench.attach(), "attach []");
    bench.attempts.on_removed(bench.now, &[Fence(1)]);
    assert_eq!(bench.done(), "order forget [1]");
    assert_eq!(bench.attempts.is_over(Fence(1)), None);
}

#[test]
fn a_start_that_comes_twice_starts_once() {
    let mut bench = Bench::new();
    bench.run(1);
    assert_eq!(bench.start(1), "tell soon");
    assert_eq!(bench.tell(), "say 1 Running 200");
    bench.exited(1, Outcome::Code(0));
    bench.finished(1, End::Succeeded, 0);
    assert_eq!(bench.start(1), "");
    assert_eq!(bench.tell(), "");
}

#[test]
fn few_are_prepared_at_once_and_in_the_order_in_which_they_came() {
    let mut bench = Bench::new();
    let said: Vec<String> = [5, 3, 4, 1].map(|fence| bench.start(fence)).into();
    assert_eq!(said, ["prepare 5; tell soon", "prepare 3", "", ""]);
    assert_eq!(bench.prepared(3), "prepare 4; order start 3");
    assert_eq!(
        bench.refused(5, End::CannotStart { reason: "no".into() }),
        "prepare 1; finish 5 could not start: no"
    );
    assert_eq!(bench.attach(), "attach [1 Preparing, 3 Starting, 4 Preparing, 5 Finalizing]");
}

#[test]
fn what_is_stopped_before_it_runs_never_does() {
    let mut bench = Bench::new();
    for fence in [1, 2, 3] {
        bench.start(fence);
    }
    assert_eq!(bench.stop(3), "finish 3 stopped");
    assert_eq!(bench.stop(1), "cancel 1");
    assert_eq!(bench.stop(1), "");
    assert_eq!(bench.prepared(1), r#"finish 1 stopped ["on the host"]"#);
    assert_eq!(bench.stop(2), "cancel 2");
    assert_eq!(bench.refused(2, End::System { reason: "broken off".into() }), "finish 2 stopped");
    assert_eq!(bench.stop(99), "");
}

#[test]
fn what_runs_is_stopped_by_the_keeper() {
    let mut bench = Bench::new();
    bench.run(1);
    assert_eq!(bench.stop(1), "order stop 1 50");
    assert_eq!(bench.stop(1), "");
    let exit = exit(1, Outcome::Signal(15), Cause::Stopped);
    bench.attempts.on_keeper(bench.now, FromKeeper::Exited(exit));
    assert_eq!(bench.done(), r#"finish 1 stopped ["on the host"]; tell soon"#);
    assert_eq!(bench.stop(1), "");
}

#[test]
fn an_end_is_said_on_every_connection_until_it_is_acknowledged() {
    let mut bench = Bench::new();
    for fence in [1, 2] {
        bench.run(fence);
        bench.exited(fence, Outcome::Code(3));
    }
    bench.detach();
    assert_eq!(bench.finished(1, End::Exited { code: 3 }, 0), "");
    assert_eq!(bench.finished(2, End::Exited { code: 3 }, 2), "");
    assert_eq!(bench.attempts.undelivered(), 2);
    for _ in 0..2 {
        assert_eq!(bench.attach(), "attach [1 Finalizing, 2 Finalizing]; deliver 1 0; deliver file 2");
        bench.detach();
    }
    bench.attach();
    assert_eq!(bench.acknowledge(2), "remove 2");
    assert_eq!(bench.attach(), "attach [1 Finalizing]; deliver 1 0");
}

#[test]
fn a_keeper_that_was_away_is_told_what_it_missed_and_tells_what_we_missed() {
    let mut bench = Bench::new();
    for fence in [1, 2, 3, 4, 5] {
        bench.run(fence);
    }
    bench.start(6);
    bench.prepared(6);
    bench.start(7);
    bench.attempts.on_keeper_down(bench.now);
    assert_eq!(bench.prepared(7), "");
    assert_eq!(bench.stop(2), "");
    bench.start(8);
    bench.prepared(8);
    assert_eq!(bench.stop(8), "");
    let running = || KeeperPhase::Running { pid: 1, started_unix_us: 200 };
    let list = vec![
        (1, running()),
        (2, running()),
        (3, KeeperPhase::Exited(exit(3, Outcome::Code(0), Cause::Natural))),
        (4, KeeperPhase::Exited(exit(4, Outcome::Lost { reason: "it died".into() }, Cause::Natural))),
        (90, KeeperPhase::Exited(exit(90, Outcome::Code(0), Cause::Natural))),
        (91, running()),
    ];
    bench.tell();
    assert_eq!(
        bench.keeper_up(list).replace(r#" ["on the host"]"#, ""),
        "order stop 2 50; finish 3 exit code 0; tell soon; finish 4 lost by the system: it died; \
         finish 5 lost by the system: the keeper no longer knows of it: its journal is gone; \
         order start 6; order start 7; finish 8 stopped; order stop 91 0; order forget [90]"
    );
    // What it was told to stop ends, and is forgotten.
    assert_eq!(bench.exited(91, Outcome::Signal(9)), "order forget [91]");
}

#[test]
fn a_restarted_agent_takes_up_what_it_finds() {
    let mut bench = Bench::alone();
    let found = vec![
        (Fence(1), Recovered::Prepared(Box::new(record(1)))),
        (Fence(2), Recovered::Prepared(Box::new(record(2)))),
        (Fence(3), Recovered::Prepared(Box::new(record(3)))),
        (Fence(4), Recovered::Prepared(Box::new(record(4)))),
        (Fence(5), Recovered::Reported(Box::new(assignment(5, OnDisconnect::Continue)))),
    ];
    bench.attempts.on_recovered(bench.now, found);
    let said = bench.keeper_up(vec![
        (1, KeeperPhase::Running { pid: 1, started_unix_us: 200 }),
        (2, KeeperPhase::Exited(exit(2, Outcome::Code(0), Cause::Natural))),
        (3, KeeperPhase::Starting),
    ]);
    // The fourth never started: whoever still wants it sends it again.
    assert_eq!(said, r#"finish 2 exit code 0 ["on the host"]; remove 4"#);
    assert_eq!(bench.attach(), "attach [1 Running, 2 Finalizing, 3 Running, 5 Finalizing]; deliver file 5");
    assert_eq!(bench.finished(2, End::Succeeded, 0), "deliver 2 0");
    assert_eq!(bench.exited(1, Outcome::Code(0)), r#"finish 1 exit code 0 ["on the host"]; tell soon"#);
    assert_eq!(bench.exited(3, Outcome::Code(1)), r#"finish 3 exit code 1 ["on the host"]"#);
}

#[test]
fn what_an_agent_before_prepared_and_never_started_begins_anew_if_it_is_sent_again() {
    let mut bench = Bench::alone();
    let found = [1, 2, 3].map(|fence| (Fence(fence), Recovered::Prepared(Box::new(record(fence)))));
    bench.attempts.on_recovered(bench.now, found.into());
    assert_eq!(bench.keeper_up(vec![]), "remove 1; remove 2; remove 3");
    assert_eq!(bench.attach(), "attach []");
    // Before its folder is gone, ...
    assert_eq!(bench.start(1), "");
    assert_eq!(bench.start(3), "");
    assert_eq!(bench.stop(3), "");
    assert_eq!(bench.attach(), "attach [1 Preparing, 3 Preparing]");
    bench.attempts.on_removed(bench.now, &[Fence(1), Fence(2), Fence(3)]);
    assert_eq!(bench.done(), "order forget [1, 2, 3]; prepare 1; tell soon; prepare 3; cancel 3");
    // ... and after.
    assert_eq!(bench.start(2), "");
    assert_eq!(bench.prepared(1), "prepare 2; order start 1");
}

#[test]
fn silence_stops_only_those_that_say_so() {
    let mut bench = Bench::new();
    bench.run(1);
    bench.start_with(2, OnDisconnect::Stop);
    bench.prepared(2);
    bench.running(2);
    bench.detach();
    assert_eq!(bench.after(2), "");
    assert_eq!(bench.after(1), "order stop 2 50");
    assert_eq!(bench.after(1), "");
    let exit = exit(2, Outcome::Signal(15), Cause::Stopped);
    bench.attempts.on_keeper(bench.now, FromKeeper::Exited(exit));
    assert!(bench.done().contains("no controller was heard"));
}

#[test]
fn a_link_that_timed_out_was_silent_before() {
    let mut bench = Bench::new();
    bench.start_with(1, OnDisconnect::Stop);
    bench.prepared(1);
    bench.after(10);
    bench.attempts.on_lost(bench.now, bench.link, Millis::seconds(3));
    assert_eq!(bench.after(0), "order stop 1 50");
}

#[test]
fn a_node_that_nobody_wants_leaves_once_nothing_runs() {
    let mut bench = Bench::new();
    bench.run(1);
    bench.detach();
    assert_eq!(bench.after(700), "");
    bench.exited(1, Outcome::Code(0));
    assert_eq!(bench.after(1), "leave keeping=true");
    assert_eq!(bench.after(1), "");
    let mut heard = Bench::new();
    assert_eq!(heard.after(700), "");
    assert_eq!(heard.start(1), "prepare 1; tell soon");
    assert_eq!(heard.says(ToWorker::Leave), "cancel 1; leave keeping=false");
    assert_eq!(heard.start(2), "");
}

#[test]
fn a_full_disk_is_told_by_those_that_ran_then() {
    let mut bench = Bench::new();
    bench.run(1);
    bench.attempts.on_disk_full();
    bench.run(2);
    assert!(bench.exited(1, Outcome::Code(0)).contains("disk was full"));
    assert!(!bench.exited(2, Outcome::Code(0)).contains("disk was full"));
}

#[test]
fn exits_mean_what_they_say() {
    let oom = |outcome| Exit { oom_killed: true, ..exit(1, outcome, Cause::Natural) };
    let cases = [
        (exit(1, Outcome::Code(0), Cause::Natural), "exit code 0"),
        (exit(1, Outcome::Code(3), Cause::Natural), "exit code 3"),
        (exit(1, Outcome::Signal(11), Cause::Natural), "killed by signal 11"),
        (exit(1, Outcome::Code(0), Cause::TimedOut), "ran longer than limits.timeout"),
        (exit(1, Outcome::Signal(15), Cause::Stopped), "stopped"),
        (exit(1, Outcome::Lost { reason: "x".into() }, Cause::Natural), "lost by the system: x"),
        (oom(Outcome::Code(0)), "exit code 0"),
        (oom(Outcome::Code(137)), "killed by signal 9: it used more memory than it may"),
        (oom(Outcome::Signal(9)), "killed by signal 9: it used more memory than it may"),
    ];
    for (exit, expected) in cases {
        let mut bench = Bench::new();
        bench.run(1);
        bench.attempts.on_keeper(bench.now, FromKeeper::Exited(exit));
        assert_eq!(bench.done(), format!(r#"finish 1 {expected} ["on the host"]; tell soon"#));
    }
}

#[test]
fn a_new_leader_hears_what_there_is_and_the_former_ones_orders_are_ignored() {
    let mut bench = Bench::new();
    for fence in [1, 2] {
        bench.run(fence);
    }
    bench.exited(1, Outcome::Code(0));
    assert_eq!(bench.finished(1, End::Succeeded, 0), "deliver 1 0");
    let former = bench.link;
    bench.term = 4;
    assert_eq!(bench.attach(), "attach [1 Finalizing, 2 Running]; deliver 1 0");
    let start = ToWorker::Start(Box::new(assignment(3, OnDisconnect::Continue)));
    let stop = ToWorker::Stop { fence: Fence(2), cause: StopCause::Canceled };
    let acknowledge = ToWorker::Acknowledge { fence: Fence(1) };
    for order in [start, stop, acknowledge, ToWorker::Leave, ToWorker::Attach { term: 3 }] {
        assert_eq!(bench.says_on(former, order), "");
    }
    assert_eq!(bench.says(ToWorker::Attach { term: 4 }), "attach [1 Finalizing, 2 Running]; deliver 1 0");
    assert_eq!(bench.acknowledge(1), "remove 1");
    assert_eq!(bench.stop(2), "order stop 2 50");
}

#[test]
fn a_phase_that_changed_between_two_leaders_is_told_the_new_one_once() {
    let mut bench = Bench::new();
    bench.start(1);
    bench.tell();
    assert_eq!(bench.prepared(1), "order start 1; tell soon");
    bench.term = 4;
    assert_eq!(bench.attach(), "attach [1 Starting]");
    assert_eq!(bench.tell(), "");
    assert_eq!(bench.running(1), "tell soon");
    assert_eq!(bench.tell(), "say 1 Running 200");
}

#[test]
fn silence_is_of_leaders_and_not_of_others() {
    let mut bench = Bench::new();
    bench.start_with(1, OnDisconnect::Stop);
    bench.prepared(1);
    bench.running(1);
    bench.tell();
    let others = LinkId(90);
    // Another link is lost: nobody is missed.
    bench.attempts.on_lost(bench.now, others, Millis::seconds(3));
    assert_eq!(bench.after(10), "");
    // The leader is lost, and the next is there before the lease is over.
    bench.detach();
    assert_eq!(bench.after(2), "");
    assert_eq!(bench.attach(), "attach [1 Running]");
    assert_eq!(bench.after(10), "");
    // Who led before is no leader, however much it says.
    bench.detach();
    assert_eq!(bench.says_on(others, ToWorker::Attach { term: 2 }), "");
    assert_eq!(bench.after(3), "order stop 1 50");
}
