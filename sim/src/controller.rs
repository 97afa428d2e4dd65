//! One controller: a core, its disk and its clocks, and what happens to it while it stands still.

use crate::clock::MachineClock;
use crate::disk::{Disk, Unusable};
use crate::provider::Provider;
use crate::random::Random;
use crate::world::ToController;
use std::collections::{BTreeMap, VecDeque};
use tidegate_scheduler::consensus::{Members, SnapshotPoint};
use tidegate_scheduler::ids::NodeId;
use tidegate_scheduler::{Core, Member, version};

/// What a controller's process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It runs.
    Up,
    /// It stands still; what comes meanwhile waits.
    Paused,
    /// It is dead, and will be started again.
    Down,
    /// It refuses to start: another one must take its place.
    Refuses(Unusable),
    /// It is no member any more, or another one took its place.
    Gone,
}

/// One controller.
pub(crate) struct Controller {
    pub(crate) member: Member,
    pub(crate) disk: Disk,
    pub(crate) clock: MachineClock,
    /// What its disk and its crashes draw from.
    pub(crate) random: Random,
    pub(crate) status: Status,
    /// Counts its starts: what was on its way to an earlier one is lost.
    pub(crate) life: u32,
    pub(crate) core: Option<Core>,
    /// What came while it stood still.
    pub(crate) mailbox: Vec<ToController>,
    /// When it will be woken.
    pub(crate) armed: Option<crate::clock::Micros>,
    /// The terms of its log's entries.
    pub(crate) terms: BTreeMap<u64, u64>,
    /// How far its state has been compared.
    pub(crate) observed: u64,
    /// Its links to workers: the machine at the other end, and the link's number.
    pub(crate) links: BTreeMap<NodeId, (u64, u64)>,
    pub(crate) provider: Option<Provider>,
    pub(crate) looking: bool,
    /// A snapshot on its way to the disk.
    pub(crate) saving: VecDeque<(SnapshotPoint, Vec<u8>)>,
    /// It dies after so many more effects.
    pub(crate) countdown: Option<u32>,
    pub(crate) disk_full: bool,
    /// The highest machine version that its release supports.
    pub(crate) release: u32,
    /// It is no member any more and knows; its driver is about to stop.
    pub(crate) removed: bool,
    /// Somebody was asked to replace it.
    pub(crate) replacing: bool,
    /// Since when it is no member and does not know.
    pub(crate) left_since: Option<crate::clock::Micros>,
    /// The last it knew of who is a member.
    pub(crate) members: Members,
}

impl Controller {
    /// One that has not started yet, with an empty disk.
    pub(crate) fn new(member: Member, disk: Disk, clock: MachineClock, random: Random) -> Controller {
        Controller {
            member,
            disk,
            clock,
            random,
            status: Status::Down,
            life: 0,
            core: None,
            mailbox: Vec::new(),
            armed: None,
            terms: BTreeMap::new(),
            observed: 0,
            links: BTreeMap::new(),
            provider: None,
            looking: false,
            saving: VecDeque::new(),
            countdown: None,
            disk_full: false,
            release: version::NEWEST,
            removed: false,
            replacing: false,
            left_since: None,
            members: Members::default(),
        }
    }

    /// Whether it runs.
    pub(crate) fn is_up(&self) -> bool {
        self.status == Status::Up
    }

    /// Whether its process exists.
    pub(crate) fn is_there(&self) -> bool {
        matches!(self.status, Status::Up | Status::Paused)
    }

    /// Whether it leads, as far as it knows.
    pub(crate) fn leads(&self) -> bool {
        self.core.as_ref().is_some_and(Core::is_leading)
    }
}
