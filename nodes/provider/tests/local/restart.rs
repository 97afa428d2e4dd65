//! Controllers and workers die, and nodes go on.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tidegate_provider::{LocalConfig, LocalProvider, Provider};

use crate::rig::{OBEDIENT, Rig, Root, config, is_there, kill, orders, wait_for};

const CONTROLLER_ROOT: &str = "PROVIDER_TEST_ROOT";

#[test]
fn a_worker_that_dies_is_started_again_in_its_folder() {
    let mut rig = Rig::new(OBEDIENT);
    let wanted = orders([1]);
    rig.until(&wanted, "it starts", |rig| rig.pid(1).is_some());
    let first = rig.pid(1).unwrap();
    kill(first);
    rig.until(&wanted, "another one", |rig| rig.pid(1).is_some_and(|pid| pid != first));
    assert!(!is_there(first), "reaped");
    assert_eq!(rig.read(1, "prepared-how-often"), "x");
}

#[test]
fn a_worker_that_dies_again_and_again_is_given_up() {
    let mut rig = Rig::new("echo started >> starts; echo no port left; exit 3");
    let wanted = orders([1]);
    let mut now = Instant::now();
    let mut pauses = Vec::new();
    wait_for("it is given up", || {
        rig.reconcile(&wanted, now);
        let wakeup = rig.provider.next_wakeup();
        if let Some(pause) =
            wakeup.map(|at| (at - now).as_millis()).filter(|pause| *pause != 200 || pauses.len() == 1)
        {
            pauses.push(pause);
        }
        now = wakeup.unwrap_or(now).min(now + Duration::from_secs(5));
        rig.failure(1).is_some()
    });
    let reason = rig.failure(1).unwrap();
    let wanted_reason = "the worker ended (exit status: 3), the 10th time in quick succession; its log ends with: no port left";
    assert!(reason.starts_with(wanted_reason), "{reason}");
    assert_eq!(rig.read(1, "starts").lines().count(), 10);
    assert!(pauses.contains(&3200), "{pauses:?}");
    assert_eq!(rig.provider.next_wakeup(), None);
}

#[test]
fn a_worker_behind_a_launcher_is_told_its_node_and_found_again() {
    // `env` becomes the worker, as `ip netns exec` does.
    let launched = |config: &mut LocalConfig| {
        let script = config.arguments.clone();
        config.program = "/usr/bin/env".into();
        config.arguments = ["HOST=w{node}".into(), "/bin/sh".into()].into_iter().chain(script).collect();
    };
    let script = "echo $HOST > host; while [ ! -e leave ]; do sleep 0.02; done";
    let mut rig = Rig::with(Root::new(script), launched);
    let wanted = orders([7]);
    rig.until(&wanted, "it starts", |rig| rig.file(7, "host").exists() && rig.pid(7).is_some());
    let pid = rig.pid(7).unwrap();
    // As if the controller had died before it wrote down which process it had started.
    fs::remove_file(rig.file(7, "pid")).unwrap();
    let mut rig = rig.restart_with(launched);
    rig.until(&wanted, "it is found", |rig| rig.pid(7).is_some());
    assert_eq!((rig.pid(7).unwrap(), rig.read(7, "host").trim()), (pid, "w7"));
    fs::write(rig.file(7, "leave"), "").unwrap();
    rig.until(&[], "it leaves", |_| !is_there(pid));
}

#[test]
fn the_next_provider_takes_up_what_lives_and_starts_what_died() {
    let mut rig = Rig::new(OBEDIENT);
    let wanted = orders([1, 2, 3, 4]);
    rig.until(&wanted, "all start", |rig| (1..=4).all(|node| rig.pid(node).is_some()));
    let pids = [1, 2, 3, 4].map(|node| rig.pid(node).unwrap());
    // As if the controller had died before it wrote down which process it had started ...
    fs::remove_file(rig.file(3, "pid")).unwrap();
    // ... and before all was written that the worker needs.
    kill(pids[3]);
    fs::remove_file(rig.file(4, "prepared")).unwrap();
    kill(pids[1]);
    let mut rig = rig.restart();
    rig.until(&wanted, "all run", |rig| {
        let new = |node: u64, old| rig.pid(node).is_some_and(|pid| pid != old);
        new(2, pids[1]) && new(4, pids[3])
    });
    assert_eq!((rig.pid(1), rig.pid(3)), (Some(pids[0]), Some(pids[2])), "taken up, not started");
    let prepared = [1, 2, 3, 4].map(|node| rig.read(node, "prepared-how-often").len());
    assert_eq!(prepared, [1, 1, 1, 2]);
    let starts = rig.read(1, "worker.log").lines().count();
    assert_eq!(starts, 1);
    kill(pids[0]);
    rig.until(&wanted, "one taken up is watched", |rig| rig.pid(1).is_some_and(|pid| pid != pids[0]));
    assert!(!is_there(pids[0]), "reaped");
}

/// Not a test of its own: the controller's process that the next one kills.
#[test]
#[ignore = "started by the_controller_is_killed"]
fn controller() {
    let root = PathBuf::from(std::env::var_os(CONTROLLER_ROOT).expect("started by the_controller_is_killed"));
    let mut provider = LocalProvider::new(config(&root)).unwrap();
    // Until it is killed, or forgotten.
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        provider.reconcile(&orders([1, 2, 3]), &[], Instant::now());
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_controller_is_killed() {
    let root = Root::new(OBEDIENT);
    let mut controller = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "restart::controller"])
        .env(CONTROLLER_ROOT, root.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = |node: u64| {
        let text = fs::read_to_string(root.nodes().join(format!("{node}/pid"))).unwrap_or_default();
        text.split(' ').next().and_then(|pid| pid.parse::<i32>().ok())
    };
    wait_for("three nodes", || [1, 2, 3].into_iter().all(|node| pid(node).is_some()));
    let pids = [1, 2, 3].map(|node| pid(node).unwrap());
    controller.kill().unwrap();
    controller.wait().unwrap();
    assert!(pids.into_iter().all(is_there), "a controller's death touches no worker");
    let mut rig = Rig::with(root, |_| {});
    rig.reconcile(&orders([1, 2]), Instant::now());
    assert_eq!([1, 2].map(|node| rig.pid(node)), [pids[0], pids[1]].map(Some));
    kill(pids[0]);
    rig.until(&orders([1, 2]), "started again", |rig| rig.pid(1).is_some_and(|pid| pid != pids[0]));
    fs::write(rig.file(3, "leave"), "").unwrap();
    rig.until(&orders([1, 2]), "the one not wanted leaves", |rig| rig.is_gone(3));
    // Its parent is dead: it is reaped by whoever reaps orphans here.
    wait_for("it is reaped", || !is_there(pids[2]));
    assert!(is_there(pids[1]));
}
