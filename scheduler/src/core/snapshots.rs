//! When a snapshot is made, and taking one in from another member.

use super::{Core, version};
use crate::consensus::{PeerMessage, PeerMessageKind, SnapshotPoint};
use crate::effect::Effect;
use crate::loaded::Loaded;
use crate::mutants::{self, Mutant};
use crate::time::Millis;

/// A disk that has no room now has none at once.
const TRY_AGAIN: Millis = Millis::seconds(5);

/// How far the log has grown since the last snapshot, and one that has arrived.
#[derive(Default)]
pub(crate) struct Snapshots {
    entries: u64,
    bytes: u64,
    running: bool,
    /// After a failure, when the next try may begin.
    not_before: Millis,
    /// Where the newest one on the disk stands.
    newest: u64,
    arrived: Option<Box<Loaded>>,
}

impl Snapshots {
    /// Of a member that starts from a snapshot, or from none.
    pub(super) fn after(newest: u64) -> Snapshots {
        Snapshots { newest, ..Snapshots::default() }
    }

    pub(super) fn grew(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
    }
}

impl Core {
    pub(super) fn maybe_snapshot(&mut self) {
        let course = &mut self.snapshots;
        let due = course.entries >= self.limits.entries_per_snapshot
            || course.bytes >= self.limits.bytes_per_snapshot
            || self.consensus.wants_snapshot();
        if !due || course.running || course.not_before > self.moment.elapsed {
            return;
        }
        let early = u64::from(mutants::is(Mutant::SnapshotOffByOne));
        let applied = self.state.applied().saturating_sub(early);
        if let Some(point) = self.consensus.point(applied).filter(|point| point.index > 0) {
            (course.running, course.entries, course.bytes) = (true, 0, 0);
            self.consensus.making(point.index);
            self.effects.push_back(Effect::Snapshot { point, state: Box::new(self.state.fork()) });
        }
    }

    pub(crate) fn snapshot_saved(&mut self, point: SnapshotPoint) {
        self.snapshots.running = false;
        // The log stays from the one before on: if the newest cannot be read back, that one will do.
        let newest = self.snapshots.newest.max(point.index);
        let index = std::mem::replace(&mut self.snapshots.newest, newest).min(point.index);
        self.consensus.saved(point);
        if index > 0 {
            self.effects.push_back(Effect::Compact { index });
        }
    }

    /// The next one is due soon: the log must not grow for ever because a disk was full for a moment.
    pub(crate) fn snapshot_failed(&mut self) {
        self.snapshots.running = false;
        self.snapshots.not_before = self.moment.elapsed.after(TRY_AGAIN);
        self.snapshots.entries = self.limits.entries_per_snapshot;
    }

    /// Another member's snapshot is on this disk, and raft decides whether it takes the state's place.
    pub(crate) fn snapshot_arrived(&mut self, message: PeerMessage, loaded: Box<Loaded>) {
        let fits = message.kind == PeerMessageKind::Snapshot
            && message.snapshot.as_ref().is_some_and(|point| point.index == loaded.state.applied());
        if fits && let Some(why) = version::beyond(loaded.state.version(), self.limits.machine_version) {
            return self.stop_for(why);
        }
        if fits {
            self.snapshots.arrived = Some(loaded);
            self.consensus.step(message);
        }
    }

    pub(super) fn install(&mut self, point: &SnapshotPoint) {
        let loaded = self.snapshots.arrived.take().filter(|loaded| loaded.state.applied() == point.index);
        // Raft installs nothing but what was stepped with its state.
        let Loaded { state, index } =
            *loaded.expect("a snapshot is installed with the state that came with it");
        self.state = state;
        if !mutants::is(Mutant::KeepOldIndex) {
            self.index = index;
        }
        (self.snapshots.entries, self.snapshots.bytes) = (0, 0);
        self.snapshots.newest = self.snapshots.newest.max(point.index);
        self.effects.push_back(Effect::Installed { index: point.index });
        self.effects.push_back(Effect::Members);
    }

    /// What raft says to another member; a snapshot goes its own way.
    pub(super) fn send_peer(&mut self, mut message: PeerMessage) {
        self.tell_room(&mut message);
        let (to, message) = (message.to, Box::new(message));
        self.effects.push_back(match message.kind {
            PeerMessageKind::Snapshot => Effect::SendSnapshot { to, message },
            _ => Effect::SendPeer { to, message },
        });
    }
}
