//! The end of a node: its worker leaves, or is made to, and nothing of it stays.

use std::{
    collections::BTreeSet,
    io,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    Graces,
    agent::{self, Agent},
    census::{Census, ProcessId},
    cgroups,
    folder::NodeFolder,
};

/// How often we look whether the processes have ended.
const POLL: Duration = Duration::from_millis(50);
/// How long until what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Processes that live on for so long after SIGKILL are complained of.
const STUBBORN: Duration = Duration::from_secs(10);

/// A node on its way out. It waits for the worker to leave by itself, as the controller has told it to; then the agent is
/// killed and the keeper told to stop all runs; then everything is killed.
#[derive(Debug)]
pub(super) struct Departure {
    agent: Option<Agent>,
    step: Step,
    /// What has been seen of the node: a run whose keeper was killed may be known by nothing else.
    seen: BTreeSet<ProcessId>,
    /// The keeper may have had no chance to remove its cgroups.
    unclean: bool,
    complained: bool,
    next: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Leaving by itself, until then.
    Patience(Instant),
    /// The keeper stops the runs, until then.
    Terminating(Instant),
    /// Killed, since then.
    Killing(Instant),
}

impl Departure {
    /// Begins; `agent` is the node's if it lives.
    pub(super) fn begin(agent: Option<Agent>, graces: &Graces, now: Instant) -> Departure {
        Departure {
            unclean: agent.is_none(),
            agent,
            step: Step::Patience(now + graces.leave),
            seen: BTreeSet::new(),
            complained: false,
            next: now,
        }
    }

    /// When to go on.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Goes on; true when nothing of the node is left. `census` is taken by whoever needs it first.
    pub(super) fn advance(
        &mut self,
        folder: &NodeFolder,
        graces: &Graces,
        census: &mut Option<Census>,
        now: Instant,
    ) -> bool {
        match self.try_advance(folder, graces, census, now) {
            Ok(gone) => {
                self.next = now + POLL;
                gone
            }
            Err(error) => {
                if !std::mem::replace(&mut self.complained, true) {
                    let folder = folder.path().display();
                    tracing::error!(%error, %folder, "a node cannot be destroyed; it is tried again and again");
                }
                self.next = now + RETRY;
                false
            }
        }
    }

    fn try_advance(
        &mut self,
        folder: &NodeFolder,
        graces: &Graces,
        census: &mut Option<Census>,
        now: Instant,
    ) -> io::Result<bool> {
        if let Some(agent) = &mut self.agent
            && agent.ended()?.is_some()
        {
            self.agent = None;
        }
        if self.agent.is_some() && matches!(self.step, Step::Patience(until) if now < until) {
            return Ok(false);
        }
        if !folder.exists() {
            // Without it nothing of the node is known but its agent.
            self.agent.iter().try_for_each(Agent::kill)?;
            return Ok(self.agent.is_none());
        }
        let id = folder.id()?;
        let census = match census {
            Some(census) => census,
            None => census.insert(Census::take()?),
        };
        let mut alive = census.members(&id);
        alive.extend(census.living(&self.seen));
        self.seen.extend(&alive);
        if let Some(agent) = &self.agent {
            alive.insert(agent.id());
        } else if alive.is_empty() {
            return self.finish(folder, &id).map(|()| true);
        }
        self.press(&alive, &census.masters(&id), graces, now, folder)?;
        Ok(false)
    }

    /// Makes what lives end, as far as it is time to.
    fn press(
        &mut self,
        alive: &BTreeSet<ProcessId>,
        masters: &[ProcessId],
        graces: &Graces,
        now: Instant,
        folder: &NodeFolder,
    ) -> io::Result<()> {
        let agent = self.agent.as_ref().map(Agent::id);
        match self.step {
            // Nobody is left who would stop the runs.
            Step::Patience(_) | Step::Terminating(_) if agent.is_none() && masters.is_empty() => {
                self.step = Step::Killing(now);
            }
            Step::Patience(until) if now >= until => {
                tracing::warn!(folder = %folder.path().display(), "a worker did not leave in time: it is made to");
                self.agent.iter().try_for_each(Agent::kill)?;
                let keepers = masters.iter().filter(|id| Some(**id) != agent);
                keepers.copied().try_for_each(|keeper| keeper.signal(Signal::TERM))?;
                self.step = Step::Terminating(now + graces.keeper);
            }
            Step::Terminating(until) if now >= until => self.step = Step::Killing(now),
            Step::Patience(_) | Step::Terminating(_) | Step::Killing(_) => {}
        }
        let Step::Killing(since) = self.step else { return Ok(()) };
        self.unclean = true;
        alive.iter().try_for_each(|process| process.signal(Signal::KILL))?;
        if now > since + STUBBORN && !std::mem::replace(&mut self.complained, true) {
            let folder = folder.path().display();
            tracing::error!(%folder, processes = ?alive, "processes of a node do not die by SIGKILL");
        }
        Ok(())
    }

    fn finish(&mut self, folder: &NodeFolder, id: &str) -> io::Result<()> {
        self.seen.iter().try_for_each(|process| agent::bury(*process))?;
        if self.unclean {
            cgroups::remove_of(id)?;
        }
        let failed = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot remove {}: {error}", folder.path().display()))
        };
        folder.remove().map_err(failed)
    }
}
