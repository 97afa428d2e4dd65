//! Servers that come, go, and are killed.

use crate::harness::{DEADLINE, Home};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn what_up_writes_is_its_owners_alone() {
    let home = Home::new();
    let up = home.up("");
    let token = fs::read_to_string(up.data.join("token")).unwrap();
    let contexts = home.path().join("config/tidegate/contexts");
    for path in [up.data.join("token"), contexts.join("current")] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
    for folder in [&up.data, &contexts] {
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o077, 0, "{}", folder.display());
    }
    assert!(!up.log().contains(token.trim()), "the token must be in no log");
    assert_eq!(home.run("status").code, 0);
    assert_eq!(home.run(&format!("status --server {}", up.server)).code, 0);
    let wrong = home.run("status --token wrong");
    assert!(wrong.code == 3 && wrong.err.contains("not this server's"), "{wrong:?}");
    let elsewhere = Home::new();
    let none = elsewhere.run(&format!("status --server {}", up.server));
    assert!(none.code == 3 && none.err.contains("TIDEGATE_TOKEN"), "{none:?}");
    let gone = elsewhere.run("status --server http://127.0.0.1:1");
    assert!(gone.code == 4 && gone.err.contains("tidegate up"), "{gone:?}");
}

#[test]
fn ctrl_c_waits_for_what_runs_and_leaves_nothing_behind() {
    let home = Home::new();
    let mut up = home.up("");
    let gate = home.path().join("gate");
    home.job("j.yml", &format!("until test -e {}; do sleep 0.05; done; echo through", gate.display()), "");
    home.run("submit j.yml --name j").ok();
    home.until("run show j -o json", |run| run["state"] == "Running");
    up.signal("INT");
    home.until("run list -o json", |_| up.log().contains("draining: one run goes on"));
    fs::write(&gate, "").unwrap();
    assert_eq!(up.ended(), 0, "{}", up.log());
    let nodes = up.data.join("nodes/p1");
    assert_eq!(fs::read_dir(nodes).map_or(0, Iterator::count), 0, "no node is left");
    drop(up);
    let _again = home.up("");
    assert_eq!(home.run("run logs j").ok(), "through\n");
}

#[test]
fn a_killed_server_is_taken_up_where_it_was() {
    let home = Home::new();
    let mut up = home.up("");
    let address = up.server.trim_start_matches("http://").to_owned();
    let gate = home.path().join("gate");
    home.job(
        "j.yml",
        &format!("echo one; until test -e {}; do sleep 0.05; done; echo two", gate.display()),
        "",
    );
    home.run("submit j.yml --name j").ok();
    home.until("run show j -o json", |run| run["state"] == "Running");
    let follow = home.command("run logs -f j").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let wait = home.command("run wait j").stderr(Stdio::piped()).spawn().unwrap();
    up.signal("KILL");
    assert_eq!(up.ended(), -1);
    drop(up);
    assert_eq!(home.run("status").code, 4);
    let _again = home.up(&format!("--http {address}"));
    fs::write(&gate, "").unwrap();
    let (followed, waited) = (follow.wait_with_output().unwrap(), wait.wait_with_output().unwrap());
    assert_eq!(String::from_utf8_lossy(&followed.stdout), "one\ntwo\n", "{followed:?}");
    assert_eq!(waited.status.code(), Some(0), "{waited:?}");
    let run = home.run("run show j -o json").json();
    assert_eq!(run["attempts"].as_array().unwrap().len(), 1, "it is not run twice: {run}");
}

#[test]
fn ctrl_c_while_following_leaves_the_run_alone() {
    let home = Home::new();
    let _up = home.up("");
    home.job("j.yml", "echo here; sleep 600", "tidegate: {grace_period: 1}");
    let command =
        home.command("submit j.yml --name j --stream").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = command.unwrap();
    home.until("run show j -o json", |run| run["state"] == "Running");
    let pid = child.id().to_string();
    // The handler is set once the run is named.
    let since = Instant::now();
    while since.elapsed() < DEADLINE {
        let caught = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let mask = caught.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        if u64::from_str_radix(&mask, 16).unwrap() & 2 != 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the run goes on"), "{output:?}");
    assert_eq!(home.run("run show j -o json").json()["state"], "Running");
    home.run("run cancel j").ok();
    assert_eq!(home.run("run wait j").code, 5);
}

#[test]
fn one_folder_one_port_one_server() {
    let home = Home::new();
    let up = home.up("");
    let folder = home.run("up --http 127.0.0.1:0");
    assert!(folder.code == 2 && folder.err.contains("in use by process"), "{folder:?}");
    let address = up.server.trim_start_matches("http://");
    let port = home.run(&format!("up --http {address} --data other"));
    assert!(port.code == 2 && port.err.contains("is in use by another program"), "{port:?}");
    assert!(!home.path().join("other").exists(), "a port in use must not leave a folder behind");
    let open = home.run("up --http 0.0.0.0:0 --data other");
    assert!(open.code == 2 && open.err.contains("SSH tunnel"), "{open:?}");
    let many = home.run("up --controllers 3");
    assert!(many.code == 2 && many.err.contains("tidegate controller add"), "{many:?}");
    home.write("bad.toml", "[http]\nnmaes = []\n");
    let config = home.run("up --config bad.toml --data other --http 127.0.0.1:0");
    assert!(config.code == 2 && config.err.contains("nmaes") && config.err.contains("line 2"), "{config:?}");
}
