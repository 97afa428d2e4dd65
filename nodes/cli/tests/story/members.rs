//! A cluster set up by hand: `tidegate controller init`, `run`, `add`, `remove`, `list` and `lead`.

use crate::harness::{DEADLINE, Home, end_of};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A controller in the foreground; dropped, it is told to stop.
struct Member<'a> {
    home: &'a Home,
    name: String,
    child: Option<Child>,
    server: String,
}

/// Ports that are free now.
fn ports(count: usize) -> Vec<SocketAddr> {
    let held: Vec<UdpSocket> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|socket| socket.local_addr().unwrap()).collect()
}

/// How often a controller was recorded before.
fn records(home: &Home, name: &str) -> usize {
    (1..).find(|count| !home.path().join(format!("{name}.{count}")).exists()).unwrap()
}

impl<'a> Member<'a> {
    /// Starts one, and returns once it is up.
    fn start(home: &'a Home, name: &str, listen: SocketAddr, bundle: Option<&str>) -> Member<'a> {
        home.write(
            &format!("{name}.toml"),
            &format!("data = \"{name}\"\nlisten = \"{listen}\"\nhttp = \"127.0.0.1:0\"\nnodes = \"nodes\"\nworkers.leave_after = 20\n"),
        );
        let join = bundle.map_or_else(String::new, |bundle| format!("--join {bundle}"));
        let log =
            File::options().create(true).append(true).open(home.path().join(format!("{name}.log"))).unwrap();
        let mut child = home
            .command(&format!(
                "controller run -o json --config {name}.toml --record {name}.{} {join}",
                records(home, name)
            ))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut member = Member { home, name: name.to_owned(), child: Some(child), server: String::new() };
        let told: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("{name} did not come up: {line:?} {}", member.log()));
        assert_eq!(format!("c{}", told["id"]), name);
        member.server = told["server"].as_str().unwrap().to_owned();
        member
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join(format!("{}.log", self.name))).unwrap()
    }

    fn tell_to_stop(&self) {
        if let Some(child) = &self.child {
            assert!(
                Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success()
            );
        }
    }

    fn ended(&mut self) -> i32 {
        let child = self.child.take().unwrap();
        end_of(child, || format!("{} does not stop: {}", self.name, self.log()))
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.tell_to_stop();
        match &mut self.child {
            // A test that has failed already must not abort by failing again.
            Some(child) if std::thread::panicking() => drop(child.kill()),
            Some(_) => drop(self.ended()),
            None => {}
        }
    }
}

/// The numbers of controllers, with their roles, that are heard of.
fn table(list: &Value) -> Vec<(u64, String)> {
    let all = list["items"].as_array().into_iter().flatten().filter(|one| one["heard"] == true);
    all.map(|one| (one["id"].as_u64().unwrap(), one["role"].as_str().unwrap().to_owned())).collect()
}

fn voters(ids: &[u64]) -> Vec<(u64, String)> {
    ids.iter().map(|id| (*id, "voter".to_owned())).collect()
}

fn are_private(home: &Home, names: &[&str]) {
    for name in names {
        let mode = fs::metadata(home.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

fn all_bundles_or_none(home: &Home, at: &[SocketAddr]) {
    fs::create_dir(home.path().join("p")).unwrap();
    home.write("p/c2.join", "of another cluster");
    let part = home.run(&format!("controller init --out p {} {} {}", at[0], at[1], at[2]));
    assert!(part.code == 2 && part.err.contains("p/c2.join is there already"), "{part:?}");
    assert_eq!(fs::read_dir(home.path().join("p")).unwrap().count(), 1, "all bundles or none");
}

fn nobody_is_let_in_without_a_file(home: &Home, asked: &str) {
    // Where there can be no file nobody is let in: the next one is still c4.
    for out in ["absent/c4.join", "c1.toml"] {
        let refused = home.run(&format!("controller add --out {out} {asked}"));
        assert!(refused.code == 2 && refused.err.contains(out), "{refused:?}");
    }
}

#[test]
fn controllers_come_lead_and_go() {
    let home = Home::new();
    let at = ports(5);
    let done =
        home.run(&format!("controller init --cluster sea --out b {} {} {} -o json", at[0], at[1], at[2]));
    assert_eq!(done.json().as_array().map(Vec::len), Some(3), "{done:?}");
    are_private(&home, &["b/c1.join", "b/c3.token"]);
    let again = home.run(&format!("controller init --out b {}", at[0]));
    assert!(again.code == 2 && again.err.contains("is there already"), "{again:?}");
    all_bundles_or_none(&home, &at);
    let token = fs::read_to_string(home.path().join("b/c1.token")).unwrap();
    let start = |name: &'static str, at, bundle| Member::start(&home, name, at, Some(bundle));
    let mut c1 = start("c1", at[0], "b/c1.join");
    let mut c2 = start("c2", at[1], "b/c2.join");
    let c3 = start("c3", at[2], "b/c3.join");
    assert_eq!(fs::read_dir(home.path().join("b")).unwrap().count(), 0, "bundles are used once");
    let asked = format!("--token {} --server {},{},{}", token.trim(), c1.server, c2.server, c3.server);
    let list = format!("controller list -o json {asked}");
    home.until(&list, |list| table(list) == voters(&[1, 2, 3]));

    home.run(&format!("controller lead c3 {asked}")).ok();
    home.until(&list, |list| list["items"][2]["leader"] == true);
    let wrong = home.run(&format!("controller lead 9 {asked}"));
    assert!(wrong.code == 3 && wrong.err.contains('9'), "{wrong:?}");

    nobody_is_let_in_without_a_file(&home, &asked);
    home.run(&format!("controller add --out c4.join {asked}")).ok();
    are_private(&home, &["c4.join", "c4.token"]);
    let mut c4 = start("c4", at[3], "c4.join");
    home.until(&list, |list| table(list) == voters(&[1, 2, 3, 4]));
    home.run(&format!("controller add --learner --out c5.join {asked}")).ok();
    let c5 = start("c5", at[4], "c5.join");
    let learner = (5, "learner".to_owned());
    home.until(&list, |list| table(list).last() == Some(&learner));
    let answered = home.run(&format!("status -o json --token {} --server {}", token.trim(), c5.server));
    assert_eq!(answered.json()["controller"], 3, "whoever is asked, the leader answers");

    home.run(&format!("controller remove 1 {asked}")).ok();
    assert_eq!(c1.ended(), 0);
    assert!(c1.log().contains("was removed from cluster sea"), "{}", c1.log());
    home.until(&list, |list| table(list)[..3] == voters(&[2, 3, 4]));

    // Told to stop, it says so and comes back as the one that it is; its bundle is gone and not missed.
    c2.tell_to_stop();
    assert_eq!(c2.ended(), 0);
    drop(c2);
    let c2 = start("c2", at[1], "b/c2.join");
    assert!(c2.log().contains("--join is not needed"), "{}", c2.log());

    // One whose folder is lost does not come back as itself.
    c4.tell_to_stop();
    assert_eq!(c4.ended(), 0);
    fs::remove_dir_all(home.path().join("c4")).unwrap();
    for join in ["", "--join c4.join"] {
        let lost = home.run(&format!("controller run --config c4.toml {join}"));
        assert!(lost.code == 2 && lost.err.contains("--replaces"), "{lost:?}");
    }
    home.run(&format!("controller add --replaces 4 --out c6.join {asked}")).ok();
    let c6 = Member::start(&home, "c6", at[3], Some("c6.join"));
    home.until(&list, |list| {
        let known = table(list);
        known.contains(&(6, "voter".to_owned()))
            && list["items"].as_array().unwrap().iter().all(|one| one["id"] != 4)
    });
    drop((c2, c3, c5, c6));
    records_lead_to_the_same(&home, &["c1.1", "c2.1", "c2.2", "c3.1", "c5.1", "c6.1"]);
}

/// Whoever led or followed: what they were told leads the same core to the same.
fn records_lead_to_the_same(home: &Home, records: &[&str]) {
    for record in records {
        let replayed = home.run(&format!("sim replay --record {record} -o json")).json();
        assert!(replayed["effects"].as_u64().unwrap() > 0, "{record}: {replayed}");
    }
}

#[test]
fn a_cluster_of_one_runs_jobs_and_a_folder_has_one_owner() {
    let home = Home::new();
    let at = ports(2);
    home.run(&format!("controller init --out b {}", at[0])).ok();
    home.run(&format!("controller init --cluster other --out o {}", at[1])).ok();
    let token = fs::read_to_string(home.path().join("b/c1.token")).unwrap();
    let member = Member::start(&home, "c1", at[0], Some("b/c1.join"));
    let asked = format!("--token {} --server {}", token.trim(), member.server);
    home.write("pool.yml", "type: amlcompute\nname: p\nsize: Standard_D2s_v3\nmax_instances: 1\n");
    home.run(&format!("pool apply pool.yml {asked}")).ok();
    home.job("j.yml", "echo done", "compute: p");
    assert_eq!(home.run(&format!("submit j.yml --stream {asked}")).ok(), "done\n");
    // Nodes outlive their controller: they are given back before it goes.
    home.run(&format!("pool delete p {asked}")).ok();
    home.until(&format!("node list -o json {asked}"), |list| {
        list["items"].as_array().is_some_and(Vec::is_empty)
    });
    drop(member);
    let other = home.run("controller run --config c1.toml --join o/c1.join");
    assert!(other.code == 2 && other.err.contains("of cluster other"), "{other:?}");
    fs::remove_file(home.path().join("c1/token")).unwrap();
    let token = home.run("controller run --config c1.toml");
    assert!(token.code == 2 && token.err.contains("copy it"), "{token:?}");
}

/// What is answered to this path, without any patience.
fn asked(address: SocketAddr, path: &str) -> String {
    let mut text = String::new();
    let Ok(mut stream) = TcpStream::connect(address) else { return text };
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_controller_that_still_reads_back_what_it_had_says_so() {
    let home = Home::new();
    let listen = ports(1)[0];
    let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    home.run(&format!("controller init --out b {listen}")).ok();
    let token = fs::read_to_string(home.path().join("b/c1.token")).unwrap();
    home.write("c1.toml", &format!("data = \"c1\"\nlisten = \"{listen}\"\nhttp = \"{http}\"\n"));
    // A record that nobody reads yet: its start comes to a halt once it has read back what it had.
    let record = home.path().join("record");
    assert!(Command::new("mkfifo").arg(&record).status().unwrap().success());
    let line = "controller run -o json --config c1.toml --join b/c1.join --record record";
    let log = File::create(home.path().join("c1.log")).unwrap();
    let mut child = home.command(line).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let told = BufReader::new(child.stdout.take().unwrap());
    let (name, server) = ("c1".to_owned(), format!("http://{http}"));
    let mut member = Member { home: &home, name, child: Some(child), server };
    let since = Instant::now();
    while asked(http, "/healthz").is_empty() {
        assert!(since.elapsed() < DEADLINE, "nobody answers: {}", member.log());
    }
    for path in ["/readyz", "/api/v1/status"] {
        let answer = asked(http, path);
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("problem:starting"), "{answer}");
    }
    let reading =
        std::thread::spawn(move || std::io::copy(&mut File::open(record).unwrap(), &mut std::io::sink()));
    assert!(told.lines().next().unwrap().unwrap().contains("c1"), "{}", member.log());
    home.run(&format!("status --token {} --server {}", token.trim(), member.server)).ok();
    assert!(asked(http, "/readyz").starts_with("HTTP/1.1 200"), "{}", member.log());
    member.tell_to_stop();
    assert_eq!(member.ended(), 0);
    assert!(reading.join().unwrap().unwrap() > 0);
}
