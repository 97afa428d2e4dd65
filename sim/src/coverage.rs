//! What a play has come to: a sweep that never got somewhere proves nothing about it.

use std::collections::BTreeMap;
use std::fmt;

macro_rules! marks {
    ($($(#[$doc:meta])* $name:ident = $words:literal, $required:literal;)*) => {
        /// Something that a play may come to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mark {
            $($(#[$doc])* $name,)*
        }

        impl Mark {
            /// All of them.
            pub const ALL: &[Mark] = &[$(Mark::$name,)*];

            /// In words.
            pub fn words(self) -> &'static str {
                match self { $(Mark::$name => $words,)* }
            }

            /// Whether a sweep that never came to it fails.
            pub fn is_required(self) -> bool {
                match self { $(Mark::$name => $required,)* }
            }
        }
    };
}

marks! {
    /// A controller began to lead.
    Elected = "a controller began to lead", true;
    /// A leader was lost while clients waited for it.
    LeaderLostInFlight = "a leader was lost with work in flight", true;
    /// A crash tore a write.
    TornWrite = "a crash tore a write", true;
    /// A crash left a write that nobody had been told of.
    UnheardWrite = "a crash left a write whole that nobody was told of", true;
    /// A crash took writes with it.
    LostWrite = "a crash took unsynced writes", true;
    /// A crash came between two effects of one step.
    CrashedInside = "a crash came between two effects of one step", true;
    /// A controller saved a snapshot.
    SnapshotSaved = "a snapshot was saved", true;
    /// A snapshot came from another controller.
    SnapshotInstalled = "a snapshot of another controller was installed", true;
    /// A start refused a damaged snapshot and used the one before.
    SnapshotRefused = "a damaged snapshot was refused and the one before it used", true;
    /// A start refused a disk.
    DiskRefused = "a damaged disk was refused", true;
    /// A start found that its log does not lead to its newest snapshot.
    LogBegunAnew = "a log began anew after a snapshot that it did not lead to", true;
    /// The machine version was raised.
    VersionRaised = "the machine version was raised", true;
    /// A controller stopped as its release was too old.
    TooOld = "a controller of too old a release stopped", true;
    /// Something came to a controller that was no member any more.
    HeardAfterRemoval = "something came to a controller that was removed", true;
    /// A controller that lost its disk was replaced by a new one.
    Replaced = "a controller was replaced by a new one", true;
    /// Who is a member changed.
    MembersChanged = "membership changed", true;
    /// Two majorities decided together.
    Joint = "two majorities decided together", true;
    /// A controller was removed and said so.
    Removed = "a controller was removed", true;
    /// Leadership was given away.
    Transferred = "leadership was given away", true;
    /// A controller restarted from what it had synced.
    Restarted = "a controller started again from its disk", true;
    /// A worker was lost while something ran on it.
    WorkerLostMidRun = "a worker was lost with a run on it", true;
    /// A report of a superseded attempt was refused.
    SupersededRefused = "a superseded attempt's report was refused", true;
    /// A result was reported twice.
    ReportedTwice = "a result was reported twice", true;
    /// A worker took no notice of a leader that had been deposed.
    OldLeaderIgnored = "a worker took no notice of an earlier leader", true;
    /// A follower passed a request on.
    Forwarded = "a follower passed a request on", true;
    /// A read was answered by a follower.
    FollowerRead = "a follower answered a linearizable read", true;
    /// A client was told that nobody knows, and asked again.
    Uncertain = "a client was left uncertain and asked again", true;
    /// A request with the same key was applied twice and had one effect.
    SameKeyTwice = "one key arrived twice and had one effect", true;
    /// A cancel came when its run had ended.
    CancelTooLate = "a cancel lost its race", true;
    /// Quota kept a pool from growing.
    QuotaHeld = "a quota was used up", true;
    /// A quota was cut below what was in use.
    QuotaCut = "a quota was cut below use", true;
    /// Somebody had more than is his own.
    Borrowed = "a workspace or team borrowed quota", true;
    /// A budget was used up.
    BudgetUsedUp = "a budget was used up", true;
    /// A new period of a budget began.
    BudgetRenewed = "a new period of a budget began", true;
    /// What a run waited for had ended as it must.
    LetGo = "a run's prerequisites were met", true;
    /// What a run waited for ended otherwise.
    NotMet = "a run waited for another in vain", true;
    /// As many of a run's elements ran as may.
    ConcurrencyHeld = "max_concurrent held elements back", true;
    /// As many of a workspace's elements ran as may.
    WorkspaceHeld = "a workspace ran as much as it may", true;
    /// A workspace had as many runs as it may.
    TooManyRuns = "a workspace had as many runs as it may", true;
    /// Teams took turns.
    TeamsShared = "several teams waited for one fair pool", true;
    /// A pool's runs started in strict order.
    StrictOrder = "something started in strict order", true;
    /// A pool's order changed while something waited.
    OrderChanged = "a pool's order changed while runs waited", true;
    /// A pool with nodes went to another team.
    PoolMoved = "a pool with nodes went to another team", true;
    /// A run rose to the next band: none waits for a day in a play.
    Rose = "a run rose to the next band", false;
    /// A full disk refused work.
    FullDisk = "a full disk refused work", true;
    /// A VM that nobody knew was reaped.
    OrphanReaped = "a VM that nobody knew was reaped", true;
    /// Two VMs were made for one node.
    TwoVms = "two VMs were made for one node", true;
    /// A node could not be made.
    NodeFailed = "a node could not be made", true;
    /// A run that ended was queued again by a client.
    Retried = "a client retried a run", true;
    /// What fits nowhere was refused.
    NeverFits = "a run that fits nowhere was refused", true;
    /// An ended run was forgotten.
    Forgotten = "an old run was forgotten", true;
    /// A command no longer fitted when it was applied.
    PlanRefused = "a planned command no longer fitted", false;
    /// A play ended with work that could not run, for a reason.
    StallJustified = "work was left for a good reason", false;
}

/// How often each was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    seen: BTreeMap<Mark, u64>,
    faults: BTreeMap<&'static str, u64>,
}

impl Coverage {
    pub(crate) fn mark(&mut self, mark: Mark) {
        *self.seen.entry(mark).or_default() += 1;
    }

    pub(crate) fn fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    /// How often.
    pub fn count(&self, mark: Mark) -> u64 {
        self.seen.get(&mark).copied().unwrap_or_default()
    }

    /// How often a kind of fault hit something.
    pub fn faults(&self, name: &str) -> u64 {
        self.faults.get(name).copied().unwrap_or_default()
    }

    /// Adds what another play has come to.
    pub fn add(&mut self, other: &Coverage) {
        for (mark, count) in &other.seen {
            *self.seen.entry(*mark).or_default() += count;
        }
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
    }

    /// What a sweep must have come to and has not.
    pub fn missing(&self) -> Vec<String> {
        let marks = Mark::ALL.iter().filter(|mark| mark.is_required() && self.count(**mark) == 0);
        let kinds = crate::faults::FaultKind::ALL.iter().filter(|kind| self.faults(kind.name()) == 0);
        let marks = marks.map(|mark| mark.words().to_owned());
        marks.chain(kinds.map(|kind| format!("the fault {kind}"))).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mark in Mark::ALL {
            writeln!(f, "{:>9}  {}", self.count(*mark), mark.words())?;
        }
        for kind in crate::faults::FaultKind::ALL {
            writeln!(f, "{:>9}  fault {kind}", self.faults(kind.name()))?;
        }
        Ok(())
    }
}
