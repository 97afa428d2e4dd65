//! The kinds of faults.
//!
//! Of disks: what was synced may become unreadable or be gone, of a minority at a time, and a start finds it. A disk that
//! says that a sync is done, and then loses the end of the log without a trace, is not among them: nothing that a
//! controller reads tells it from a write that a crash cut short, and no majority that counted on it was one. Raft can
//! bear no such disk, nor can anything that stores once.

use crate::clock::Micros;

/// How a kind works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// All the time, at a drawn rate.
    Always,
    /// At moments of the schedule.
    AtMoments,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $how:ident, $longest:literal;)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FaultKind {
            $($(#[$doc])* $name,)*
        }

        impl FaultKind {
            /// All of them.
            pub const ALL: &[FaultKind] = &[$(FaultKind::$name,)*];

            /// Its name, as options and logs say it.
            pub fn name(self) -> &'static str {
                match self { $(FaultKind::$name => $word,)* }
            }

            /// How it works.
            pub fn how(self) -> How {
                match self { $(FaultKind::$name => How::$how,)* }
            }

            /// How long one lasts at most.
            pub fn longest(self) -> Micros {
                match self { $(FaultKind::$name => Micros::seconds($longest),)* }
            }
        }
    };
}

kinds! {
    /// Messages between controllers, and of clients, are lost.
    Loss = "net.loss", Always, 0;
    /// They arrive twice.
    Duplicate = "net.duplicate", Always, 0;
    /// They overtake each other.
    Reorder = "net.reorder", Always, 0;
    /// Each path holds only a few messages, and one that stands still too: what comes beyond is lost.
    SmallQueues = "net.small-queues", Always, 0;
    /// Messages between controllers of long ago arrive once more.
    Replay = "net.replay", AtMoments, 1;
    /// Some paths hold everything back for a while.
    Clog = "net.clog", AtMoments, 10;
    /// Paths are clogged one after another, and freed in another order.
    SwizzleClog = "net.swizzle-clog", AtMoments, 20;
    /// One machine's paths are slow.
    SlowLink = "net.slow", AtMoments, 60;
    /// Everyone is on one of two sides.
    Partition = "net.partition", AtMoments, 60;
    /// One side does not hear the other.
    OneWay = "net.one-way", AtMoments, 60;
    /// One controller is alone.
    Isolate = "net.isolate", AtMoments, 60;
    /// The leader is alone.
    IsolateLeader = "net.isolate-leader", AtMoments, 60;
    /// A client is not heard, or does not hear.
    HalfOpenClient = "net.half-open-client", AtMoments, 30;
    /// A worker reaches no controller and runs on.
    Zombie = "worker.zombie", AtMoments, 180;
    /// A worker loses the leader alone.
    LoseLeaderLink = "worker.lose-leader-link", AtMoments, 30;
    /// Syncs take long.
    SlowDisk = "disk.slow", AtMoments, 40;
    /// There is no room for new work, nor for a snapshot.
    FullDisk = "disk.full", AtMoments, 60;
    /// A bit of the acknowledged log flips, and the controller dies.
    BitRot = "disk.bit-rot", AtMoments, 20;
    /// A record of the log is written over an earlier one, which nobody notices until the next start.
    MisdirectedWrite = "disk.misdirected-write", AtMoments, 20;
    /// A sync gives an error, and the controller dies.
    SyncFails = "disk.sync-fails", AtMoments, 20;
    /// The newest snapshot loses its end, and the controller dies.
    SnapshotTruncated = "disk.snapshot-truncated", AtMoments, 20;
    /// A bit of the newest snapshot flips, and the controller dies.
    SnapshotFlipped = "disk.snapshot-flipped", AtMoments, 20;
    /// The newest snapshot is gone, and the controller dies.
    SnapshotMissing = "disk.snapshot-missing", AtMoments, 20;
    /// All of a disk is gone.
    DiskLost = "disk.lost", AtMoments, 20;
    /// A controller dies.
    Crash = "process.crash", AtMoments, 60;
    /// The leader dies.
    CrashLeader = "process.crash-leader", AtMoments, 30;
    /// A controller dies between two effects of one step.
    CrashInside = "process.crash-inside", AtMoments, 20;
    /// All controllers die at once.
    CrashAll = "process.crash-all", AtMoments, 10;
    /// A controller stands still.
    Pause = "process.pause", AtMoments, 600;
    /// The leader stands still.
    PauseLeader = "process.pause-leader", AtMoments, 60;
    /// Some controllers are of the release before, and are upgraded one by one.
    MixedVersions = "process.mixed-versions", Always, 0;
    /// Clocks drift.
    Drift = "clock.drift", Always, 0;
    /// A controller's clock runs fast, or slow.
    Speed = "clock.speed", AtMoments, 120;
    /// A controller's wall clock jumps.
    WallJump = "clock.wall-jump", AtMoments, 1;
    /// Leadership is given away.
    Transfer = "raft.transfer", AtMoments, 1;
    /// A new controller takes the place of one that is well.
    Replace = "raft.replace", AtMoments, 1;
    /// There are no VMs to be had.
    StockOut = "cloud.stock-out", AtMoments, 120;
    /// The provider says that a VM is to be retired, although it still runs.
    Condemned = "cloud.condemned", AtMoments, 1;
    /// A VM is gone, and nobody is told.
    Vanish = "cloud.vanish", AtMoments, 1;
    /// A request for a VM times out although the VM is made.
    CreateTimesOut = "cloud.create-times-out", Always, 0;
    /// A request for a VM makes two.
    CreatesTwice = "cloud.creates-twice", Always, 0;
    /// A VM never starts.
    NeverBoots = "cloud.never-boots", Always, 0;
    /// A deletion is accepted and forgotten.
    DeleteIgnored = "cloud.delete-ignored", Always, 0;
    /// Lists are late.
    StaleList = "cloud.stale-list", Always, 0;
    /// An agent starts again.
    AgentRestart = "worker.agent-restart", AtMoments, 5;
    /// A machine starts again on the same folder.
    Reboot = "worker.reboot", AtMoments, 120;
    /// A node's folder is made anew.
    FolderRemade = "worker.folder-remade", AtMoments, 20;
    /// A machine stands still, and goes on where it was.
    MachinePause = "worker.pause", AtMoments, 150;
    /// A worker, or a provider, says things that cannot be: of nodes and attempts that never were, of another node's
    /// attempts, with numbers at the end of their range.
    Poison = "worker.poison", AtMoments, 1;
    /// A worker repeats what it has reported.
    Repeat = "worker.repeat", AtMoments, 1;
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for FaultKind {
    type Err = String;

    fn from_str(name: &str) -> Result<FaultKind, String> {
        let known = FaultKind::ALL.iter().find(|kind| kind.name() == name);
        known.copied().ok_or_else(|| {
            let all: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
            format!("no kind of fault is called `{name}`; there are {}", all.join(", "))
        })
    }
}
