//! A worker: attempts with virtual durations, and the rule by which it follows one leader. Values in, values out;
//! whoever drives it carries what it says.

use crate::clock::Micros;
use std::collections::BTreeMap;
use tidegate_scheduler::command::OnDisconnect;
use tidegate_scheduler::ids::{Fence, NodeId};
use tidegate_scheduler::message::{Assignment, End, FromWorker, Phase, Report, ToWorker};
use tidegate_scheduler::time::WallMicros;

/// How long without a controller until attempts stop that say so.
const LEASE: Micros = Micros::seconds(3);

/// What becomes of an attempt that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// How long its preparation takes.
    pub prepare: Micros,
    /// How long its command runs.
    pub run: Micros,
    /// How long its outputs take to be stored.
    pub finalize: Micros,
    /// How its command ends.
    pub end: End,
}

/// Something to do for a worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Say this to the controller at the end of a link.
    Say {
        /// The controller's number.
        link: u64,
        /// What.
        message: FromWorker,
    },
    /// Come back to this attempt at a moment.
    Wake {
        /// When.
        at: Micros,
        /// Which.
        fence: Fence,
    },
    /// A message was not heeded: it came from one that a later leader has taken the place of.
    Ignored,
}

/// One attempt on a worker.
#[derive(Clone, Debug)]
struct Held {
    assignment: Assignment,
    fate: Fate,
    phase: Phase,
    since: Micros,
    started: Micros,
    /// When it goes on by itself.
    due: Micros,
    stopped: bool,
    report: Option<Report>,
}

/// A worker.
#[derive(Clone, Debug)]
pub struct Worker {
    node: NodeId,
    incarnation: u64,
    /// The highest term in which a controller said that it leads.
    term: u64,
    current: Option<u64>,
    heard: Micros,
    held: BTreeMap<Fence, Held>,
    /// The last report that it need not say any more.
    acknowledged: Option<Report>,
    left: bool,
    executions: u64,
}

fn wall(at: Micros) -> WallMicros {
    WallMicros(at.0)
}

impl Worker {
    /// A worker in a new folder.
    pub fn new(node: NodeId, incarnation: u64, now: Micros) -> Worker {
        Worker {
            node,
            incarnation,
            term: 0,
            current: None,
            heard: now,
            held: BTreeMap::new(),
            acknowledged: None,
            left: false,
            executions: 0,
        }
    }

    /// The node that its certificate names.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Whether it was told to leave.
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// The attempts whose command has not ended.
    pub fn live(&self) -> impl Iterator<Item = Fence> + '_ {
        self.held.iter().filter(|(_, held)| held.report.is_none()).map(|(fence, _)| *fence)
    }

    /// How many commands it has started.
    pub fn executions(&self) -> u64 {
        self.executions
    }

    /// The controller whom it follows.
    pub fn current(&self) -> Option<u64> {
        self.current
    }

    /// A controller says something. `fate` tells what becomes of a new attempt.
    pub fn hear(
        &mut self,
        now: Micros,
        link: u64,
        message: ToWorker,
        fate: &mut dyn FnMut(&Assignment) -> Fate,
    ) -> Vec<Act> {
        if self.left {
            return Vec::new();
        }
        if let ToWorker::Attach { term } = message {
            return self.attach(now, link, term);
        }
        if self.current != Some(link) {
            return vec![Act::Ignored];
        }
        self.heard = now;
        match message {
            ToWorker::Attach { .. } => Vec::new(),
            ToWorker::Start(assignment) => self.start(now, *assignment, fate),
            ToWorker::Stop { fence, .. } => self.stop(now, fence).into_iter().collect(),
            ToWorker::Acknowledge { fence } => {
                if self.held.get(&fence).is_some_and(|held| held.report.is_some()) {
                    self.acknowledged = self.held.remove(&fence).and_then(|held| held.report);
                }
                Vec::new()
            }
            ToWorker::Leave => {
                self.held.clear();
                self.left = true;
                Vec::new()
            }
        }
    }

    fn attach(&mut self, now: Micros, link: u64, term: u64) -> Vec<Act> {
        if term < self.term {
            return vec![Act::Ignored];
        }
        (self.term, self.current, self.heard) = (term, Some(link), now);
        let attempts = self.held.iter().map(|(fence, held)| (*fence, held.phase, wall(held.since)));
        let message = FromWorker::Attach { incarnation: self.incarnation, attempts: attempts.collect() };
        let ends = self.held.values().filter_map(|held| held.report.clone());
        let ends = ends.map(|report| FromWorker::Ended(Box::new(report)));
        std::iter::once(message).chain(ends).map(|message| Act::Say { link, message }).collect()
    }

    fn start(
        &mut self,
        now: Micros,
        assignment: Assignment,
        fate: &mut dyn FnMut(&Assignment) -> Fate,
    ) -> Vec<Act> {
        let fence = assignment.fence;
        if self.held.contains_key(&fence) {
            return self.say_phase(fence);
        }
        let fate = fate(&assignment);
        let due = now.after(fate.prepare);
        self.executions += 1;
        let phase = Phase::Preparing;
        let held =
            Held { assignment, fate, phase, since: now, started: now, due, stopped: false, report: None };
        self.held.insert(fence, held);
        let mut acts = self.say_phase(fence);
        acts.push(Act::Wake { at: due, fence });
        acts
    }

    fn stop(&mut self, now: Micros, fence: Fence) -> Option<Act> {
        let held =
            self.held.get_mut(&fence).filter(|held| !held.stopped && held.phase < Phase::Finalizing)?;
        held.stopped = true;
        let grace = Micros::millis(held.assignment.grace.0);
        held.due = held.due.min(now.after(Micros(grace.0 / 2)));
        Some(Act::Wake { at: held.due, fence })
    }

    /// The moment asked for by `Act::Wake` has come.
    pub fn wake(&mut self, now: Micros, fence: Fence) -> Vec<Act> {
        let Some(held) = self.held.get_mut(&fence).filter(|held| held.report.is_none() && held.due <= now)
        else {
            return Vec::new();
        };
        let next = match (held.phase, held.stopped) {
            (Phase::Preparing, false) => {
                held.started = now;
                Some((Phase::Running, held.fate.run))
            }
            (Phase::Preparing | Phase::Starting | Phase::Running, _) => {
                Some((Phase::Finalizing, held.fate.finalize))
            }
            (Phase::Finalizing, _) => None,
        };
        let Some((phase, span)) = next else {
            return self.finish(now, fence);
        };
        (held.phase, held.since, held.due) = (phase, now, now.after(span));
        let at = held.due;
        let mut acts = self.say_phase(fence);
        acts.push(Act::Wake { at, fence });
        acts
    }

    fn finish(&mut self, now: Micros, fence: Fence) -> Vec<Act> {
        let link = self.current;
        let Some(held) = self.held.get_mut(&fence) else { return Vec::new() };
        let end = if held.stopped { End::Stopped } else { held.fate.end.clone() };
        let report = report(fence, end, held.started, now);
        held.report = Some(report.clone());
        let say = link.map(|link| Act::Say { link, message: FromWorker::Ended(Box::new(report)) });
        say.into_iter().collect()
    }

    fn say_phase(&self, fence: Fence) -> Vec<Act> {
        let (Some(link), Some(held)) = (self.current, self.held.get(&fence)) else { return Vec::new() };
        let message = FromWorker::Phase { fence, phase: held.phase, at: wall(held.since) };
        vec![Act::Say { link, message }]
    }

    /// A second has gone by.
    pub fn beat(&mut self, now: Micros) -> Vec<Act> {
        if self.left {
            return Vec::new();
        }
        match self.current {
            Some(link) => vec![Act::Say { link, message: FromWorker::Heartbeat }],
            None if now.since(self.heard) >= LEASE => self.stop_what_says_so(now),
            None => Vec::new(),
        }
    }

    fn stop_what_says_so(&mut self, now: Micros) -> Vec<Act> {
        let says_so = |held: &Held| held.assignment.on_disconnect == OnDisconnect::Stop;
        let fences: Vec<Fence> =
            self.held.iter().filter(|(_, held)| says_so(held)).map(|(fence, _)| *fence).collect();
        fences.into_iter().filter_map(|fence| self.stop(now, fence)).collect()
    }

    /// What it says again although nobody asked: the ends that were not acknowledged, and the last one that was.
    pub fn repeat(&self) -> Vec<Act> {
        let Some(link) = self.current else { return Vec::new() };
        let reports =
            self.held.values().filter_map(|held| held.report.clone()).chain(self.acknowledged.clone());
        reports.map(|report| Act::Say { link, message: FromWorker::Ended(Box::new(report)) }).collect()
    }

    /// A link broke.
    pub fn lose_link(&mut self, now: Micros, link: u64) {
        if self.current == Some(link) {
            (self.current, self.heard) = (None, now);
        }
    }

    /// The agent starts again; its keeper and the attempts live on.
    pub fn restart_agent(&mut self, now: Micros) {
        (self.term, self.current, self.heard) = (0, None, now);
    }

    /// The machine starts again on the same folder: what ran is lost, and said so.
    pub fn reboot(&mut self, now: Micros) {
        self.restart_agent(now);
        for (fence, held) in self.held.iter_mut().filter(|(_, held)| held.report.is_none()) {
            let end = End::System { reason: "the keeper is gone, and what it ran with it".into() };
            held.report = Some(report(*fence, end, held.started, now));
            held.phase = Phase::Finalizing;
        }
    }

    /// What still runs ends soon.
    pub fn hasten(&mut self, by: Micros) -> Vec<Act> {
        let running = self.held.iter_mut().filter(|(_, held)| held.report.is_none());
        running
            .map(|(fence, held)| {
                held.due = held.due.min(by);
                held.fate.run = held.fate.run.min(Micros::seconds(1));
                Act::Wake { at: held.due, fence: *fence }
            })
            .collect()
    }
}

fn report(fence: Fence, end: End, started: Micros, ended: Micros) -> Report {
    Report {
        fence,
        end,
        started: wall(started),
        ended: wall(ended),
        cpu_micros: 0,
        max_rss_kib: 0,
        artifacts: Vec::new(),
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
