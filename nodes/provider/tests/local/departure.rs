//! Nodes end, and nothing of them stays.

use std::{
    fs,
    time::{Duration, Instant},
};

use tidegate_provider::{LocalProvider, Provider};

use crate::rig::{OBEDIENT, Rig, Root, config, is_there, orders, wait_for};

/// A worker with a keeper, which has a run in a session of its own; neither leaves. The keeper takes SIGTERM, or not.
fn stubborn(on_term: &str) -> String {
    let run = "TIDEGATE_NODE_MARK= setsid sleep 1000 & echo $! > run; echo $$ > keeper; while :; do sleep 0.02; done";
    format!("trap : TERM HUP\nsetsid sh -c 'trap \"{on_term}\" TERM; {run}' &\nwhile :; do sleep 0.02; done")
}

fn number(rig: &Rig, name: &str) -> Option<i32> {
    rig.read(1, name).trim().parse().ok()
}

#[test]
fn a_worker_that_leaves_is_gone_without_force() {
    let mut rig = Rig::new(OBEDIENT);
    rig.until(&orders([1, 2]), "both start", |rig| rig.pid(1).is_some() && rig.pid(2).is_some());
    let pid = rig.pid(1).unwrap();
    rig.reconcile(&orders([2]), Instant::now());
    assert!(is_there(pid) && !rig.is_gone(1), "it has its time to leave");
    fs::write(rig.file(1, "leave"), "").unwrap();
    rig.until(&orders([2]), "it is gone", |rig| rig.is_gone(1));
    assert!(!is_there(pid), "neither alive nor a zombie");
    assert!(!rig.file(1, "").exists());
    assert!(is_there(rig.pid(2).unwrap()));
}

const HOUR: Duration = Duration::from_secs(3600);

/// A node with a keeper and a run; the processes of all three. The keeper has an hour to stop the run.
fn with_a_run(on_term: &str) -> (Rig, [i32; 3]) {
    let mut rig = Rig::with(Root::new(&stubborn(on_term)), |config| config.keeper_grace = HOUR);
    rig.until(&orders([1]), "a run", |rig| number(rig, "run").is_some() && number(rig, "keeper").is_some());
    let processes = [rig.pid(1).unwrap(), number(&rig, "keeper").unwrap(), number(&rig, "run").unwrap()];
    (rig, processes)
}

/// Reconciles from `start` on, in steps of time, until this holds.
fn reconcile_until(rig: &mut Rig, start: Instant, what: &str, holds: impl Fn(&Rig) -> bool) {
    let mut now = start;
    wait_for(what, || {
        rig.reconcile(&[], now);
        now += Duration::from_millis(50);
        holds(rig)
    });
}

#[test]
fn a_worker_that_does_not_leave_is_killed_after_the_grace_and_its_keeper_stops_the_runs() {
    let (mut rig, processes) = with_a_run("kill -9 \\$(cat run); touch ../stopped; exit 0");
    let now = Instant::now();
    rig.reconcile(&[], now);
    rig.reconcile(&[], now + Duration::from_millis(9_999));
    assert!(processes.into_iter().all(is_there));
    reconcile_until(&mut rig, now + Duration::from_secs(10), "it is gone", |rig| rig.is_gone(1));
    assert!(rig.nodes().join("stopped").exists(), "the keeper did it itself");
    assert!(!rig.file(1, "").exists());
    // The keeper fell to whoever reaps orphans here.
    wait_for("all are reaped", || !processes.into_iter().any(is_there));
}

#[test]
fn a_keeper_that_does_not_stop_is_killed_with_its_runs() {
    let (mut rig, processes) = with_a_run("");
    let [agent, keeper, run] = processes;
    let now = Instant::now();
    rig.reconcile(&[], now);
    reconcile_until(&mut rig, now + Duration::from_secs(10), "the agent dies", |_| !is_there(agent));
    assert!(is_there(keeper) && is_there(run), "the keeper has its time to stop the runs");
    reconcile_until(&mut rig, now + HOUR * 2, "it is gone", |rig| rig.is_gone(1));
    assert!(!rig.file(1, "").exists());
    wait_for("all are reaped", || !processes.into_iter().any(is_there));
}

#[test]
fn folders_that_nobody_wants_are_destroyed_and_others_files_are_left_alone() {
    let mut rig = Rig::new(OBEDIENT);
    rig.until(&orders([1]), "it starts", |rig| rig.pid(1).is_some());
    let pid = rig.pid(1).unwrap();
    fs::create_dir(rig.file(4, "")).unwrap();
    fs::write(rig.nodes().join("readme"), "").unwrap();
    let mut rig = rig.restart();
    fs::write(rig.file(1, "leave"), "").unwrap();
    rig.until(&[], "both are gone", |rig| rig.is_gone(1) && rig.is_gone(4));
    assert!(!is_there(pid) && !rig.file(1, "").exists() && !rig.file(4, "").exists());
    assert!(rig.nodes().join("readme").exists());
}

#[test]
fn shutdown_destroys_or_keeps() {
    let root = Root::new(OBEDIENT);
    let nodes = root.nodes();
    let pid_in = |node: &str| {
        let text = fs::read_to_string(nodes.join(node).join("pid")).unwrap();
        text.split(' ').next().unwrap().parse::<i32>().unwrap()
    };
    let mut first = LocalProvider::new(config(root.path())).unwrap();
    first.reconcile(&orders([1, 2]), &[], Instant::now());
    let pids = ["1", "2"].map(pid_in);
    first.shutdown(true).unwrap();
    assert!(pids.into_iter().all(is_there));
    let mut short = config(root.path());
    short.leave_grace = Duration::from_millis(100);
    LocalProvider::new(short).unwrap().shutdown(false).unwrap();
    assert!(!pids.into_iter().any(is_there));
    assert_eq!(fs::read_dir(&nodes).unwrap().count(), 0);
}
