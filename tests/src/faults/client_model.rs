//! Clients that submit all the time to any of several servers, and remember what they were told.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{Caller, Tally, wait};

/// Pause of a client that got no answer, or one that says `later`.
const AGAIN: Duration = Duration::from_millis(20);

/// Clients with one memory. Their runs are named `PREFIX-NUMBER`, and counted in a [`Tally`].
#[derive(Debug)]
pub struct ClientModel {
    servers: Vec<Caller>,
    tally: Tally,
    prefix: String,
    job: Value,
    elements: u32,
    pause: Duration,
    give_up: Duration,
    keys: u128,
    began: Instant,
    next: AtomicUsize,
    asked: Mutex<Vec<Submission>>,
    wrong: Mutex<Vec<String>>,
}

/// A run that was submitted, and all answers to that.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Its name.
    pub name: String,
    /// Into how many elements it was submitted; 1 unless it is an array.
    pub elements: u32,
    /// What was sent, to which server, and what came back.
    pub tries: Vec<Try>,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Try {
    /// The server's number.
    pub server: usize,
    /// When it was sent, since the model began.
    pub at: Duration,
    /// When it was answered or given up, since the model began.
    pub until: Duration,
    /// What came back.
    pub said: Said,
}

/// What a server said to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It is durable: 201, or 200 if it was before.
    Acknowledged {
        /// It was durable before.
        known: bool,
    },
    /// Not now: 408, 429, 502, 503 or 504.
    Later(u16),
    /// Nothing: whether it was accepted is not known.
    Nothing(String),
    /// Never, though nothing is wrong with it.
    Refused(String),
}

impl Submission {
    /// When it was acknowledged, since the model began.
    pub fn acknowledged(&self) -> Option<Duration> {
        let by = self.tries.iter().find(|one| matches!(one.said, Said::Acknowledged { .. }))?;
        Some(by.until)
    }

    /// How long it took from the first request to the acknowledgement, or to the last request if none came.
    pub fn waited(&self) -> Duration {
        let first = self.tries.first().map_or(Duration::ZERO, |first| first.at);
        let last = self.tries.last().map_or(Duration::ZERO, |last| last.until);
        self.acknowledged().unwrap_or(last).saturating_sub(first)
    }
}

impl ClientModel {
    /// Clients of these servers, each of which may be asked. The patience of the callers is how long a client waits
    /// before it asks another server.
    ///
    /// Unless changed, each run is a single one on the pool `busy` with one CPU that does nothing.
    pub fn new(servers: Vec<Caller>, tally: Tally, prefix: &str) -> ClientModel {
        let job = json!({
            "command": Tally::counted("echo $TIDEGATE_RUN"),
            "environment": "azureml:any",
            "compute": "azureml:busy",
            "resources": {"cpus": 1},
            "environment_variables": {"TALLY": tally.folder()},
        });
        ClientModel {
            servers,
            tally,
            prefix: prefix.to_owned(),
            job,
            elements: 1,
            pause: Duration::ZERO,
            give_up: wait::DEADLINE,
            keys: rand::random(),
            began: Instant::now(),
            next: AtomicUsize::new(0),
            asked: Mutex::default(),
            wrong: Mutex::default(),
        }
    }

    /// What each command does, between the two lines that are counted.
    pub fn body(mut self, body: &str) -> ClientModel {
        self.job["command"] = Tally::counted(body).into();
        self
    }

    /// The pool, by its name.
    pub fn pool(mut self, pool: &str) -> ClientModel {
        self.job["compute"] = format!("azureml:{pool}").into();
        self
    }

    /// Arrays of so many elements, in place of single runs.
    pub fn arrays_of(mut self, elements: u32) -> ClientModel {
        self.elements = elements;
        self
    }

    /// How long each client rests between two submissions.
    pub fn pause(mut self, pause: Duration) -> ClientModel {
        self.pause = pause;
        self
    }

    /// After how long a client gives a submission up, in place of a minute. That alone is something wrong.
    pub fn give_up(mut self, after: Duration) -> ClientModel {
        self.give_up = after;
        self
    }

    /// So many clients submit until they are told to stop; what is under way then is submitted to its end. In a host, see
    /// [`crate::faults::Host::inside`].
    ///
    /// # Errors
    /// There are no servers, or the clients could not submit what they should: never what a server says, which is for the
    /// verdict.
    pub fn submit_until(&self, stop: &AtomicBool, clients: usize) -> Result<()> {
        ensure!(!self.servers.is_empty(), "there are no servers to submit to");
        thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    while !stop.load(Ordering::Acquire) {
                        self.submit_next();
                        thread::sleep(self.pause);
                    }
                });
            }
        });
        Ok(())
    }

    /// So many clients submit while something is done; what that gives is given.
    ///
    /// # Errors
    /// As [`ClientModel::submit_until`], or what is done fails.
    pub fn submit_during<T>(&self, clients: usize, done: impl FnOnce() -> Result<T>) -> Result<T> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let submitting = scope.spawn(|| self.submit_until(&stop, clients));
            // A story that panics must not leave its clients at it: the scope would wait for them for ever.
            let done = panic::catch_unwind(AssertUnwindSafe(done));
            stop.store(true, Ordering::Release);
            let submitted = submitting.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
            let done = done.unwrap_or_else(|panic| panic::resume_unwind(panic))?;
            submitted.map(|()| done)
        })
    }

    /// Waits until so many more are acknowledged than now.
    ///
    /// # Errors
    /// They are not in time.
    pub fn wait_for_more(&self, count: usize) -> Result<()> {
        let wanted = self.acknowledged() + count;
        let acknowledged = || Ok(self.acknowledged());
        wait::until_value("more runs to be acknowledged", acknowledged, |now| *now >= wanted).map(drop)
    }

    /// Submits so many runs, by so many clients, and returns when all are acknowledged or given up.
    ///
    /// # Errors
    /// As [`ClientModel::submit_until`].
    pub fn submit(&self, runs: usize, clients: usize) -> Result<()> {
        ensure!(!self.servers.is_empty(), "there are no servers to submit to");
        let left = AtomicUsize::new(runs);
        let more =
            || left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok();
        thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    while more() {
                        self.submit_next();
                        thread::sleep(self.pause);
                    }
                });
            }
        });
        Ok(())
    }

    /// All that was submitted so far and is not under way.
    pub fn submissions(&self) -> Vec<Submission> {
        self.memory().clone()
    }

    /// How many were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.memory().iter().filter(|one| one.acknowledged().is_some()).count()
    }

    /// Where executions are counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// When the model began: what [`Try`] reckons from.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// What clients have found wrong.
    pub(super) fn found_wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn memory(&self) -> MutexGuard<'_, Vec<Submission>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complain(&self, what: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Submits one run until there is an answer, always by the same name and key.
    fn submit_next(&self) {
        let number = self.next.fetch_add(1, Ordering::AcqRel);
        let name = format!("{}-{number}", self.prefix);
        let mut body = json!({"name": name, "job": self.job});
        if self.elements > 1 {
            body["count"] = self.elements.into();
        }
        let (body, key) = (body.to_string(), format!("{:032x}", self.keys.wrapping_add(number as u128)));
        let mut submission = Submission { name, elements: self.elements, tries: Vec::new() };
        let begun = Instant::now();
        for server in (number..).map(|at| at % self.servers.len()) {
            let said = self.ask(&mut submission, server, &body, &key);
            match said {
                Said::Acknowledged { .. } => {
                    self.read_back(&submission, (server + 1) % self.servers.len());
                    break;
                }
                Said::Refused(why) => {
                    self.complain(format!("{} was refused: {why}", submission.name));
                    break;
                }
                Said::Later(_) | Said::Nothing(_) if begun.elapsed() > self.give_up => {
                    self.complain(format!("{} was never answered: {:?}", submission.name, submission.tries));
                    break;
                }
                Said::Later(_) | Said::Nothing(_) => thread::sleep(AGAIN),
            }
        }
        self.memory().push(submission);
    }

    fn ask(&self, submission: &mut Submission, server: usize, body: &str, key: &str) -> Said {
        let at = self.began.elapsed();
        let headers = [("Idempotency-Key", key), ("Content-Type", "application/json")];
        let said = match self.servers[server].send_with("POST /api/v1/runs", &headers, body.as_bytes()) {
            Ok(answer) => match answer.status {
                201 => Said::Acknowledged { known: false },
                200 => Said::Acknowledged { known: true },
                408 | 429 | 502..=504 => Said::Later(answer.status),
                status => Said::Refused(format!("{status} {}", answer.body)),
            },
            Err(error) => Said::Nothing(format!("{error:#}")),
        };
        submission.tries.push(Try { server, at, until: self.began.elapsed(), said: said.clone() });
        said
    }

    /// What one server has acknowledged, the next one must know at once.
    fn read_back(&self, submission: &Submission, server: usize) {
        match self.servers[server].send(&format!("GET /api/v1/runs/{}", submission.name), b"") {
            Ok(answer) if answer.status == 404 => {
                self.complain(format!(
                    "{} was acknowledged, and server {server} does not know it: {}",
                    submission.name, answer.body
                ));
            }
            Ok(answer) if matches!(answer.status, 200 | 408 | 429 | 502..=504) => {}
            Ok(answer) => {
                self.complain(format!("{} cannot be read from server {server}: {answer:?}", submission.name));
            }
            // It may be cut off.
            Err(_) => {}
        }
    }
}
