//! Runs, and the attempts of their elements.

use crate::command::{DependsOn, OnDisconnect, QueueOrder};
use crate::ids::{ContentId, NodeId, PoolId, RunId, Slot, WorkspaceId};
use crate::limits::agreed;
use crate::message::StopCause;
use crate::mutants::{self, Mutant};
use crate::pages::PageMap;
use crate::resources::{Need, Resources};
use crate::state::elements::{Elements, Tries};
use crate::time::{Millis, WallMicros};
use serde::{Deserialize, Serialize};

/// A run or an array of runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its name in its workspace.
    pub name: Box<str>,
    /// Its tenant.
    pub workspace: WorkspaceId,
    /// The pool it is queued for.
    pub pool: PoolId,
    /// What each element needs.
    pub need: Need,
    /// Higher goes first.
    pub priority: u8,
    /// Its band: from its priority, and one higher for each day that it has waited.
    pub band: Band,
    /// When it was queued.
    pub queued: Millis,
    /// Runs that must end before it starts, and have not.
    pub pending: u32,
    /// How it stands beside others, if not like most.
    pub terms: Option<Box<Terms>>,
    /// How often an element whose program failed is tried again.
    pub retries: u16,
    /// What a worker does when it hears of no controller.
    pub on_disconnect: OnDisconnect,
    /// Between SIGTERM and SIGKILL.
    pub grace: Millis,
    /// Where its specification is found.
    pub digest: ContentId,
    /// When it was accepted.
    pub submitted: WallMicros,
    /// When its last element ended.
    pub ended: Option<Millis>,
    /// Somebody asked for all of it to end.
    pub cancel_requested: bool,
    /// Its elements.
    pub elements: Elements,
}

/// What only some runs have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Whose it is.
    pub team: Option<Box<str>>,
    /// The runs that it waits for, or waited for.
    pub after: Vec<(RunId, DependsOn)>,
    /// No more elements than this run at once.
    pub max_concurrent: Option<u32>,
}

/// What goes first, whoever's it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Band {
    /// A priority around Azure ML's `low`.
    Low,
    /// Around `medium`.
    Medium,
    /// Around `high`.
    High,
}

impl Band {
    /// The band of a priority; `low`, `medium` and `high` stand for 25, 50 and 75.
    pub fn of(priority: u8) -> Band {
        match priority {
            0..=37 => Band::Low,
            38..=62 => Band::Medium,
            _ => Band::High,
        }
    }

    /// The next one up.
    pub fn higher(self) -> Band {
        match self {
            Band::Low => Band::Medium,
            Band::Medium | Band::High => Band::High,
        }
    }
}

impl Run {
    /// Whose it is, where several teams share a pool; empty for nobody in particular.
    pub fn team(&self) -> &str {
        self.terms.as_ref().and_then(|terms| terms.team.as_deref()).unwrap_or_default()
    }

    /// When it rises to the next band, if it still waits; never from the highest one, and never where bands do not
    /// count.
    pub fn rises_at(&self, order: QueueOrder) -> Millis {
        let steps = self.band as u64 - Band::of(self.priority) as u64;
        match (order, self.band) {
            (QueueOrder::Strict, _) | (QueueOrder::Fair, Band::High) => Millis::NEVER,
            (QueueOrder::Fair, Band::Low | Band::Medium) => {
                self.queued.after(Millis(agreed::PROMOTION.0 * (steps + 1)))
            }
        }
    }

    /// How many elements may start now.
    pub fn startable(&self) -> u32 {
        let counts = self.elements.counts();
        let most = self.terms.as_ref().and_then(|terms| terms.max_concurrent).unwrap_or(u32::MAX);
        let most = most.saturating_add(u32::from(mutants::is(Mutant::OneMoreAtOnce)));
        if self.pending > 0 { 0 } else { counts.waiting.min(most.saturating_sub(counts.placed)) }
    }
}

/// One try of one element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Of this element.
    pub slot: Slot,
    /// On this node.
    pub node: NodeId,
    /// What it takes there.
    pub resources: Resources,
    /// The tries before it.
    pub tries: Tries,
    /// When it was placed.
    pub placed: Millis,
    /// Somebody asked for it to stop.
    pub stopping: Option<StopCause>,
}

/// All runs, by number and by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    next: u64,
    by_id: PageMap<RunId, Run>,
    by_name: PageMap<(u64, RunId), ()>,
    /// How many have ended and are still remembered.
    ended: u64,
}

impl Runs {
    /// The run with this number.
    pub fn get(&self, run: RunId) -> Option<&Run> {
        self.by_id.get(&run)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, run: RunId) -> Option<&mut Run> {
        self.by_id.get_mut(&run)
    }

    /// The run with this name in this workspace.
    pub fn find(&self, workspace: WorkspaceId, name: &str) -> Option<(RunId, &Run)> {
        let hash = name_hash(workspace, name);
        self.by_name
            .range((hash, RunId(0))..=(hash, RunId(u64::MAX)))
            .filter_map(|((_, id), ())| Some((id, self.by_id.get(&id)?)))
            .find(|(_, run)| run.workspace == workspace && &*run.name == name)
    }

    /// Takes a new run in, and numbers it.
    pub fn add(&mut self, run: Run) -> RunId {
        self.next += 1;
        let id = RunId(self.next);
        self.by_name.insert((name_hash(run.workspace, &run.name), id), ());
        self.by_id.insert(id, run);
        id
    }

    /// Drops a run that has ended.
    pub fn forget(&mut self, id: RunId) -> Option<Run> {
        self.get(id)?.ended?;
        let run = self.by_id.remove(&id)?;
        self.by_name.remove(&(name_hash(run.workspace, &run.name), id));
        self.ended -= 1;
        Some(run)
    }

    /// Says that a run ended, or that it goes on again.
    pub fn set_ended(&mut self, id: RunId, at: Option<Millis>) {
        if let Some(run) = self.by_id.get_mut(&id) {
            match (run.ended.is_some(), at.is_some()) {
                (false, true) => self.ended += 1,
                (true, false) => self.ended -= 1,
                (true, true) | (false, false) => {}
            }
            run.ended = at;
        }
    }

    /// All runs in the order of submission.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (RunId, &Run)> {
        self.by_id.iter()
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many of them have ended.
    pub fn ended(&self) -> u64 {
        self.ended
    }
}

/// FNV-1a of workspace and name: the same on every replica and in every release.
fn name_hash(workspace: WorkspaceId, name: &str) -> u64 {
    let bytes = workspace.0.to_le_bytes().into_iter().chain(name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
