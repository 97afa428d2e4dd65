//! Servers that stand in for a cluster: right ones that are hard to reach, and ones with a bug, which the verdict is to
//! find. Each run is "executed" when it is submitted, and written down in the tally as a command would.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tidegate_tests::{Caller, Tally};

/// What is wrong with a cluster. The bug shows at the run with the number 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Nothing, and each request is answered at once.
    None,
    /// Nothing, but many requests are not answered: before anything is done, after all is done, or by 503.
    HardToReach,
    /// It was acknowledged, and is forgotten.
    Forgets,
    /// It is executed twice under one number.
    RunsTwice,
    /// It has two attempts that are its result.
    TwoResults,
    /// It has failed, though its command has not.
    Fails,
    /// The result is there, and nothing was executed.
    DoesNothing,
    /// An attempt of which nothing is recorded was executed.
    RunsUnknown,
    /// A run is there that nobody has submitted.
    MakesUp,
    /// What one server has acknowledged, others do not know.
    Stale,
    /// The second request for a run is refused, though it is the same.
    RefusesAgain,
    /// No request for it is ever accepted.
    NeverAccepts,
}

const HIT: &str = "it-5";

struct Cluster {
    bug: Bug,
    tally: Tally,
    runs: BTreeMap<String, Run>,
}

struct Run {
    body: Value,
    attempts: Vec<Value>,
    state: &'static str,
}

/// Running servers, which end when dropped.
pub(crate) struct StandIn {
    addresses: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl StandIn {
    pub(crate) fn start(servers: usize, bug: Bug, tally: &Tally) -> Result<StandIn> {
        let cluster = Arc::new(Mutex::new(Cluster { bug, tally: tally.clone(), runs: BTreeMap::new() }));
        let (stop, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (mut addresses, mut threads) = (Vec::new(), Vec::new());
        for server in 0..servers {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            addresses.push(listener.local_addr()?);
            let (cluster, stop, requests) = (cluster.clone(), stop.clone(), requests.clone());
            threads.push(thread::spawn(move || serve(server, &listener, &cluster, &stop, &requests)));
        }
        Ok(StandIn { addresses, stop, threads })
    }

    pub(crate) fn callers(&self) -> Vec<Caller> {
        self.addresses.iter().map(|address| Caller::new(*address, "secret")).collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for (address, thread) in self.addresses.iter().zip(self.threads.drain(..)) {
            // It looks whether it is to stop when somebody comes.
            drop(TcpStream::connect(address));
            let ended = thread.join();
            assert!(matches!(ended, Ok(Ok(()))) || thread::panicking(), "{ended:?}");
        }
    }
}

fn serve(
    server: usize,
    listener: &TcpListener,
    cluster: &Mutex<Cluster>,
    stop: &AtomicBool,
    requests: &AtomicUsize,
) -> Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        if stop.load(Ordering::Acquire) {
            return Ok(());
        }
        let (line, key, body) = read(&stream)?;
        let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let is_submission = line.starts_with("POST ");
        let number = requests.fetch_add(1, Ordering::AcqRel);
        let hard = cluster.bug == Bug::HardToReach && is_submission;
        let lost_after = cluster.bug == Bug::RefusesAgain && is_submission && number.is_multiple_of(3);
        let (status, answer) = match number % 5 {
            0 if hard => continue,
            1 if hard => (503, json!({"title": "This controller does not lead"})),
            _ => cluster.answer(server, &line, &key, &body)?,
        };
        if hard && number % 5 == 2 || lost_after {
            continue;
        }
        let text = answer.to_string();
        let head = format!("HTTP/1.1 {status} So\r\nContent-Length: {}\r\n\r\n", text.len());
        // Who has asked may have gone.
        drop((&stream).write_all(format!("{head}{text}").as_bytes()));
    }
}

/// The request's line, its key, and its body.
fn read(stream: &TcpStream) -> Result<(String, String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            break;
        }
    }
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let mut body = vec![0; header("Content-Length: ").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
    assert_eq!(header("Authorization: "), "Bearer secret");
    Ok((head.lines().next().unwrap_or_default().to_owned(), header("Idempotency-Key: ").to_owned(), body))
}

impl Cluster {
    fn answer(&mut self, server: usize, line: &str, key: &str, body: &Value) -> Result<(u16, Value)> {
        let path = line.split(' ').nth(1).unwrap_or_default();
        let name = path.strip_prefix("/api/v1/runs/").map(|rest| rest.split('?').next().unwrap_or_default());
        if line.starts_with("POST /api/v1/runs ") {
            return self.submit(key, body);
        }
        if let Some(name) = name {
            let stale = self.bug == Bug::Stale && name == HIT && server != 2;
            return Ok(match self.runs.get(name).filter(|_| !stale) {
                Some(run) => (200, json!({"name": name, "attempts": run.attempts})),
                None => (404, json!({"title": "There is no such run"})),
            });
        }
        let items = self.runs.iter().map(|(name, run)| json!({"name": name, "state": run.state}));
        Ok((200, json!({"items": items.collect::<Vec<_>>()})))
    }

    fn submit(&mut self, key: &str, body: &Value) -> Result<(u16, Value)> {
        let name = body["name"].as_str().context("a run has a name")?.to_owned();
        assert_eq!(key.len(), 32, "{key}");
        let hit = name == HIT;
        if hit && self.bug == Bug::NeverAccepts {
            return Ok((503, json!({})));
        }
        if let Some(run) = self.runs.get(&name) {
            let same = run.body == *body && self.bug != Bug::RefusesAgain;
            return Ok(if same { (200, json!({})) } else { (409, json!({"title": "The name is taken"})) });
        }
        let bug = if hit { self.bug } else { Bug::None };
        let attempt = |number: u32, state: &str| json!({"attempt": number, "state": state});
        let (executed, attempts, state): (&[u32], _, _) = match bug {
            Bug::RunsTwice => (&[1, 1], vec![attempt(1, "Completed")], "Completed"),
            Bug::TwoResults => (&[1, 2], vec![attempt(1, "Completed"), attempt(2, "Completed")], "Completed"),
            Bug::Fails => (&[1], vec![attempt(1, "Failed")], "Failed"),
            Bug::DoesNothing => (&[], vec![attempt(1, "Completed")], "Completed"),
            Bug::RunsUnknown => (&[1, 2], vec![attempt(1, "Completed")], "Completed"),
            _ => (&[1], vec![attempt(1, "Completed")], "Completed"),
        };
        self.execute(&name, executed)?;
        if bug == Bug::MakesUp {
            let attempts = vec![attempt(1, "Completed")];
            self.runs.insert("it-1000000".to_owned(), Run { body: Value::Null, attempts, state });
        }
        if bug != Bug::Forgets {
            self.runs.insert(name, Run { body: body.clone(), attempts, state });
        }
        Ok((201, json!({})))
    }

    /// Writes down what commands would.
    fn execute(&self, name: &str, attempts: &[u32]) -> Result<()> {
        let path = self.tally.folder().join(format!("{name}.0"));
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        for attempt in attempts {
            write!(file, "start {name} 0 {attempt}\nend {name} 0 {attempt}\n")?;
        }
        Ok(())
    }
}
