//! Several controllers on one machine, kept by `up`: killed, robbed of their data, left alone.

use crate::harness::{DEADLINE, Home, Up};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Waits for something that takes as long as it takes.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < DEADLINE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The process of a controller, which its data folder's lock names.
fn pid(up: &Up<'_>, seat: &str) -> String {
    fs::read_to_string(up.data.join(seat).join("lock")).unwrap().trim().to_owned()
}

fn is_alive(pid: &str) -> bool {
    // One that nobody has waited for is no longer there either.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn kill(pid: &str) {
    assert!(Command::new("kill").args(["-KILL", pid]).status().unwrap().success());
}

/// The seat whose controller leads.
fn leader(home: &Home) -> String {
    let list = home.until("controller list -o json", |list| {
        list["items"].as_array().is_some_and(|all| all.iter().any(|one| one["leader"] == true))
    });
    let leads = list["items"].as_array().unwrap().iter().find(|one| one["leader"] == true).unwrap();
    format!("c{}", leads["id"])
}

/// The numbers of the controllers that vote and that the leader hears.
fn voters(list: &Value) -> Vec<u64> {
    let all = list["items"].as_array().into_iter().flatten();
    all.filter(|one| one["role"] == "voter" && one["heard"] == true)
        .filter_map(|one| one["id"].as_u64())
        .collect()
}

/// A job that ends once a file is there.
fn gated(home: &Home, name: &str) -> PathBuf {
    let gate = home.path().join(format!("{name}.gate"));
    let command = format!("echo one; until test -e {}; do sleep 0.05; done; echo two", gate.display());
    home.job(&format!("{name}.yml"), &command, "resources: {cpus: 1}");
    gate
}

#[test]
fn the_leader_is_killed_and_nothing_is_lost() {
    let home = Home::new();
    let mut up = home.up("--controllers 3");
    let pids = ["c1", "c2", "c3"].map(|seat| pid(&up, seat));
    let gate = gated(&home, "a");
    home.run("submit a.yml --name a").ok();
    home.until("run show a -o json", |run| run["state"] == "Running");
    let follow = home.command("run logs -f a").stdout(std::process::Stdio::piped()).spawn().unwrap();
    let led = leader(&home);
    kill(&pid(&up, &led));
    // The same context, no matter which of its servers is gone.
    home.run("submit a.yml --name b").ok();
    fs::write(&gate, "").unwrap();
    assert_eq!([home.run("run wait a").code, home.run("run wait b").code], [0, 0]);
    assert_eq!(String::from_utf8_lossy(&follow.wait_with_output().unwrap().stdout), "one\ntwo\n");
    for name in ["a", "b"] {
        let run = home.run(&format!("run show {name} -o json")).json();
        assert_eq!(run["attempts"].as_array().unwrap().len(), 1, "it is not run twice: {run}");
    }
    home.until("controller list -o json", |list| voters(list) == [1, 2, 3]);
    assert!(up.log().contains(&format!("{led} died (signal 9) and is started again")), "{}", up.log());
    up.signal("INT");
    assert_eq!(up.ended(), 0, "{}", up.log());
    for pid in pids.into_iter().chain(["c1", "c2", "c3"].map(|seat| pid(&up, seat))) {
        assert!(!is_alive(&pid), "controller {pid} is left");
    }
    assert_eq!(fs::read_dir(up.data.join("nodes/p1")).map_or(0, Iterator::count), 0, "no node is left");
}

#[test]
fn there_is_one_context_and_one_token_and_as_many_controllers_as_ever() {
    let home = Home::new();
    let up = home.up("--controllers 3");
    let context = home.path().join("config/tidegate/contexts");
    let current = fs::read_to_string(context.join("current")).unwrap();
    let context: Value = serde_json::from_slice(&fs::read(context.join(current.trim())).unwrap()).unwrap();
    assert_eq!(context["servers"].as_array().map(Vec::len), Some(3), "{}", context["servers"]);
    assert_eq!(context["server"], context["servers"][0]);
    for server in context["servers"].as_array().unwrap() {
        let status = home.run(&format!("status -o json --server {}", server.as_str().unwrap())).json();
        assert_eq!(
            (status["leader"].as_bool(), status["controllers"].as_array().map(Vec::len)),
            (Some(true), Some(3))
        );
    }
    let token = fs::read_to_string(up.data.join("token")).unwrap();
    for name in ["token", "cluster.toml", "c1.log", "c2/controller.toml"] {
        let path = up.data.join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{name}");
        assert!(name == "token" || !fs::read_to_string(&path).unwrap().contains(token.trim()), "{name}");
    }
    assert!(!up.data.join("c1.join").exists(), "a bundle is used once");
    let data = up.data.clone();
    let again = home.run(&format!("up --controllers 3 --http 127.0.0.1:0 --data {}", data.display()));
    assert!(again.code == 2 && again.err.contains("in use by process"), "{again:?}");
    drop(up);
    for other in ["1", "5"] {
        let refused = home.run(&format!("up --controllers {other} --data {}", data.display()));
        assert!(refused.code == 2 && refused.err.contains("tidegate controller add"), "{refused:?}");
    }
    // Without a word it is as it was.
    let up = home.up(&format!("--data {}", data.display()));
    assert_eq!(up.server, context["server"].as_str().unwrap());
    home.until("controller list -o json", |list| voters(list) == [1, 2, 3]);
}

/// Spoils something in the midst of what a controller had promised to remember.
fn damage(log: &Path) {
    let newest = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let newest =
        newest.filter(|path| path.extension().is_some_and(|ending| ending == "raftlog")).max().unwrap();
    let file = fs::File::options().read(true).write(true).open(&newest).unwrap();
    let at = file.metadata().unwrap().len() / 2;
    let mut bytes = [0; 64];
    file.read_exact_at(&mut bytes, at).unwrap();
    file.write_all_at(&bytes.map(|byte| !byte), at).unwrap();
}

#[test]
fn a_controller_without_its_data_joins_as_a_new_one() {
    let home = Home::new();
    let mut up = home.up("--controllers 3");
    home.job("j.yml", "echo kept", "");
    assert_eq!(home.run("submit j.yml --name j --wait").code, 0);
    // Its folder goes while it runs.
    let robbed = pid(&up, "c2");
    fs::rename(up.data.join("c2"), home.path().join("robbed")).unwrap();
    kill(&robbed);
    home.until("controller list -o json", |list| voters(list) == [1, 3, 4]);
    assert!(up.log().contains("c4 in place of c2"), "{}", up.log());
    up.signal("INT");
    assert_eq!(up.ended(), 0, "{}", up.log());
    damage(&up.data.join("c3/log"));
    let data = up.data.clone();
    drop(up);
    let up = home.up(&format!("--data {}", data.display()));
    home.until("controller list -o json", |list| voters(list) == [1, 4, 5]);
    let log = up.log();
    assert!(log.contains("the log is damaged") && log.contains("c5 in place of c3"), "{log}");
    let aside =
        fs::read_dir(&data).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    assert_eq!(aside.filter(|name| name.starts_with("c3.damaged-")).count(), 1, "nothing is removed");
    assert_eq!(home.run("run logs j").ok(), "kept\n");
}

#[test]
fn controllers_whose_supervisor_is_killed_stop_and_leave_runs_alive() {
    let home = Home::new();
    let mut up = home.up("--controllers 3");
    let gate = gated(&home, "a");
    home.run("submit a.yml --name a").ok();
    home.until("run show a -o json", |run| run["state"] == "Running");
    let pids = ["c1", "c2", "c3"].map(|seat| pid(&up, seat));
    up.signal("KILL");
    assert_eq!(up.ended(), -1);
    until("the controllers stop", || !pids.iter().any(|pid| is_alive(pid)));
    assert!(fs::read_to_string(up.data.join("c1.log")).unwrap().contains("its supervisor is gone"));
    drop(up);
    let up = home.up("--controllers 3");
    fs::write(&gate, "").unwrap();
    assert_eq!(home.run("run wait a").code, 0, "{}", up.log());
    let run = home.run("run show a -o json").json();
    assert_eq!(run["attempts"].as_array().unwrap().len(), 1, "it is not run twice: {run}");
    assert_eq!(home.run("run logs a").ok(), "one\ntwo\n");
}

#[test]
fn a_cluster_that_lost_most_of_its_controllers_says_so() {
    let home = Home::new();
    let mut up = home.up("--controllers 3");
    up.signal("INT");
    assert_eq!(up.ended(), 0, "{}", up.log());
    for seat in ["c1", "c3"] {
        fs::remove_dir_all(up.data.join(seat)).unwrap();
    }
    let refused = home.run("up --controllers 3");
    assert!(refused.code == 2 && refused.err.contains("c1, c3 of 3 controllers"), "{refused:?}");
}
