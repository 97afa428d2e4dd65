//! One local node: from its order to its end.

use std::{
    io,
    time::{Duration, Instant},
};

use tidegate_scheduler::input::ProviderEvent;

use super::{
    Site, agent::Agent, census::Census, departure::Departure, folder::NodeFolder, supervision::Deaths,
};
use crate::NodeOrder;

/// How often a worker is looked at.
const POLL: Duration = Duration::from_millis(200);

/// A node, as far as it has come.
#[derive(Debug)]
pub(super) struct Node {
    folder: NodeFolder,
    phase: Phase,
    /// What was said of it last.
    told: Option<ProviderEvent>,
}

#[derive(Debug)]
enum Phase {
    /// Its boot delay passes; then it is made, or fails since its pool's settings want that.
    Booting { due: Instant, order: NodeOrder, doomed: bool },
    /// Its worker runs.
    Running { agent: Agent, since: Instant, deaths: Deaths },
    /// Its worker died, and is started again.
    Resting { due: Instant, deaths: Deaths },
    /// It could not be made, or its worker dies again and again.
    Failed { reason: String },
    /// Being destroyed.
    Leaving(Departure),
    /// Nothing is left of it.
    Gone,
}

impl Node {
    fn new(folder: NodeFolder, phase: Phase) -> Node {
        Node { folder, phase, told: None }
    }

    /// A node whose order cannot be carried out.
    pub(super) fn refused(folder: NodeFolder, reason: String) -> Node {
        Node::new(folder, Phase::Failed { reason })
    }

    /// A node that is to be made.
    pub(super) fn booting(folder: NodeFolder, order: NodeOrder, due: Instant, doomed: bool) -> Node {
        Node::new(folder, Phase::Booting { due, order, doomed })
    }

    /// A node whose folder a controller before us made.
    pub(super) fn found(folder: NodeFolder, order: &NodeOrder, site: &Site, now: Instant) -> Node {
        let deaths = Deaths::default();
        let phase = match site.worker.find(&folder) {
            Ok(Some(agent)) => {
                tracing::info!(node = %order.node, "a worker was found alive");
                Phase::Running { agent, since: now, deaths }
            }
            Ok(None) if folder.is_prepared() => Phase::Resting { due: now, deaths },
            // Its controller died before all was written.
            Ok(None) => Phase::Booting { due: now, order: order.clone(), doomed: false },
            Err(error) => Phase::Failed { reason: format!("its worker cannot be looked for: {error}") },
        };
        Node::new(folder, phase)
    }

    /// A node whose folder a controller before us made, and that is not wanted.
    pub(super) fn left_over(folder: NodeFolder, site: &Site, now: Instant) -> Node {
        // One that cannot be looked for by name is found among all processes.
        let agent = site.worker.find(&folder).unwrap_or_else(|error| {
            tracing::warn!(%error, folder = %folder.path().display(), "a worker cannot be looked for");
            None
        });
        Node::new(folder, Phase::Leaving(Departure::begin(agent, &site.graces, now)))
    }

    /// It is not wanted any more.
    pub(super) fn leave(&mut self, site: &Site, now: Instant) {
        let agent = match std::mem::replace(&mut self.phase, Phase::Gone) {
            Phase::Running { agent, .. } => Some(agent),
            leaving @ (Phase::Leaving(_) | Phase::Gone) => {
                self.phase = leaving;
                return;
            }
            Phase::Booting { .. } | Phase::Resting { .. } | Phase::Failed { .. } => None,
        };
        self.phase = Phase::Leaving(Departure::begin(agent, &site.graces, now));
    }

    /// Does what is due.
    pub(super) fn step(&mut self, site: &Site, census: &mut Option<Census>, now: Instant) {
        match &mut self.phase {
            Phase::Booting { due, order, doomed } if *due <= now => {
                let made = match doomed {
                    true => Err("boot failure asked for by the pool's settings".to_owned()),
                    false => make(&self.folder, order, site),
                };
                self.phase = match made {
                    Ok(agent) => Phase::Running { agent, since: now, deaths: Deaths::default() },
                    Err(reason) => Phase::Failed { reason },
                };
            }
            Phase::Running { agent, since, deaths } => match agent.ended() {
                Ok(None) => {}
                Ok(Some(how)) => {
                    let deaths = deaths.after(now.saturating_duration_since(*since));
                    self.died(deaths, &format!("the worker ended ({how})"), site, now);
                }
                Err(error) => {
                    tracing::error!(%error, folder = %self.folder.path().display(), "a worker cannot be watched")
                }
            },
            Phase::Resting { due, deaths } if *due <= now => {
                let deaths = *deaths;
                self.start_again(deaths, site, now);
            }
            Phase::Leaving(departure) if departure.next() <= now => {
                if departure.advance(&self.folder, &site.graces, census, now) {
                    self.phase = Phase::Gone;
                }
            }
            Phase::Booting { .. }
            | Phase::Resting { .. }
            | Phase::Failed { .. }
            | Phase::Leaving(_)
            | Phase::Gone => {}
        }
    }

    fn died(&mut self, deaths: Deaths, how: &str, site: &Site, now: Instant) {
        tracing::warn!(folder = %self.folder.path().display(), "{how}");
        match deaths.pause() {
            None => {
                let (count, log) = (deaths.count(), self.folder.log_tail());
                let reason =
                    format!("{how}, the {count}th time in quick succession; its log ends with: {log}");
                self.phase = Phase::Failed { reason };
            }
            Some(Duration::ZERO) => self.start_again(deaths, site, now),
            Some(pause) => self.phase = Phase::Resting { due: now + pause, deaths },
        }
    }

    fn start_again(&mut self, deaths: Deaths, site: &Site, now: Instant) {
        match site.worker.start(&self.folder) {
            Ok(agent) => self.phase = Phase::Running { agent, since: now, deaths },
            Err(error) => {
                let how = cannot_start(site, &error);
                self.died(deaths.after(Duration::ZERO), &how, site, now);
            }
        }
    }

    /// When to step next.
    pub(super) fn wakeup(&self, now: Instant) -> Option<Instant> {
        match &self.phase {
            Phase::Booting { due, .. } | Phase::Resting { due, .. } => Some(*due),
            Phase::Running { .. } => Some(now + POLL),
            Phase::Leaving(departure) => Some(departure.next()),
            Phase::Failed { .. } | Phase::Gone => None,
        }
    }

    /// What is to be said of it, if that has not been.
    pub(super) fn news(&mut self) -> Option<ProviderEvent> {
        let event = match &self.phase {
            Phase::Booting { .. } | Phase::Running { .. } | Phase::Resting { .. } => ProviderEvent::Booting,
            Phase::Failed { reason } => ProviderEvent::Failed { reason: reason.clone() },
            Phase::Leaving(_) => return None,
            Phase::Gone => ProviderEvent::Gone,
        };
        (self.told.as_ref() != Some(&event)).then(|| self.told.insert(event).clone())
    }

    /// Forgets what was said of it.
    pub(super) fn retell(&mut self) {
        self.told = None;
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone)
    }
}

/// Makes a node: its folder, what the worker needs in it, and the worker.
fn make(folder: &NodeFolder, order: &NodeOrder, site: &Site) -> Result<Agent, String> {
    site.check_disk()?;
    let cannot = |what: &str, error: io::Error| format!("cannot {what} {}: {error}", folder.path().display());
    folder.make().map_err(|error| cannot("make the node's folder", error))?;
    (site.prepare)(order, folder.path())?;
    folder.set_prepared().map_err(|error| cannot("write to the node's folder", error))?;
    site.worker.start(folder).map_err(|error| cannot_start(site, &error))
}

fn cannot_start(site: &Site, error: &io::Error) -> String {
    format!("cannot start the worker {}: {error}", site.worker.program.display())
}
