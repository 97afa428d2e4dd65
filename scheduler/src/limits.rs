//! Every bound and time-out of the core, checked once.

use crate::time::Millis;
use crate::version;
use serde::{Deserialize, Serialize};

/// Bounds and time-outs. `Default` is what a cluster uses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// How long a silent worker is still believed to be alive: afterwards nothing new is placed on it.
    pub lease: Millis,
    /// How long a silent worker keeps its runs before they are queued again elsewhere.
    pub lost_after: Millis,
    /// How long a node may take from being asked for until its worker attaches.
    pub boot_timeout: Millis,
    /// How often silence is looked for.
    pub watch_every: Millis,
    /// How many commands one entry carries at most.
    pub commands_per_entry: usize,
    /// How many bytes of bodies one entry carries at most.
    pub bytes_per_entry: usize,
    /// How many placements one planning pass makes at most.
    pub placements_per_pass: usize,
    /// How many entries may follow a snapshot before the next one is made.
    pub entries_per_snapshot: u64,
    /// How many bytes of entries may follow a snapshot before the next one is made.
    pub bytes_per_snapshot: u64,
    /// How many bytes of applied entries a member without company keeps in memory.
    pub tail_bytes: u64,
    /// How many bytes of applied entries stay in memory where there are other members.
    pub replicated_tail_bytes: u64,
    /// How many bytes of entries a leader keeps in memory for a member that lags; one that lags more gets a
    /// snapshot.
    pub lagging_bytes: u64,
    /// How long an ended run is remembered.
    pub retention: Millis,
    /// How many ended runs are remembered.
    pub retained_runs: u64,
    /// The highest machine version that this member supports.
    #[serde(default = "newest")]
    pub machine_version: u32,
}

fn newest() -> u32 {
    version::NEWEST
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            lease: Millis::seconds(3),
            lost_after: Millis::seconds(60),
            boot_timeout: Millis::seconds(600),
            watch_every: Millis(500),
            commands_per_entry: 4096,
            bytes_per_entry: 1 << 20,
            placements_per_pass: 1024,
            entries_per_snapshot: 200_000,
            bytes_per_snapshot: 256 << 20,
            tail_bytes: 1 << 20,
            replicated_tail_bytes: 8 << 20,
            lagging_bytes: 64 << 20,
            retention: Millis::seconds(30 * 24 * 3600),
            retained_runs: 1_000_000,
            machine_version: version::NEWEST,
        }
    }
}

/// Bounds that every replica must agree on: they are part of what `apply` does, so they are constants.
pub mod agreed {
    use crate::time::Millis;

    /// Failures of the system after which an element is given up.
    pub const SYSTEM_TRIES: u16 = 10;
    /// Elements of one run.
    pub const ELEMENTS: u32 = 10_000_000;
    /// Bytes of a run's body.
    pub const BODY_BYTES: usize = 64 << 10;
    /// Runs that one run waits for.
    pub const PREREQUISITES: usize = 1000;
    /// How long a run waits until it rises to the next band.
    pub const PROMOTION: Millis = Millis::seconds(24 * 3600);
    /// vCPU, or vCPU-hours, in an allowance.
    pub const VCPU: u64 = 1 << 40;
    /// The weight of a node of the quota tree.
    pub const WEIGHT: u32 = 1000;
    /// Nodes of one pool.
    pub const INSTANCES: u32 = 100_000;
    /// First pause after a node could not be made; doubles with each further failure.
    pub const BOOT_RETRY: Millis = Millis(1_000);
    /// Answers to keyed requests that are remembered; beyond, the oldest go before their time.
    pub const KEYS: usize = 1_000_000;
    /// How long the answer to a keyed request is remembered.
    pub const KEYS_KEPT: Millis = Millis::seconds(24 * 3600);
    /// The longest such pause.
    pub const BOOT_RETRY_MAX: Millis = Millis(60_000);
}
