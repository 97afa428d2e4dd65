//! Reading back what is durable.

use crate::config::ControllerConfig;
use crate::disk::{DataFolder, DurableLog, SnapshotStore};
use crate::member::{self, Membership};
use crate::start_error::StartError;
use tidegate_scheduler::State;
use tidegate_scheduler::consensus::{HardState, Restored};

/// How many bytes of the log are read at once.
const READ_AT_ONCE: usize = 8 << 20;

/// What the disk gave back.
pub(crate) struct Recovered {
    pub(crate) log: DurableLog,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) state: State,
    pub(crate) restored: Restored,
    pub(crate) notices: Vec<String>,
}

/// Whose folder it is; a new one founds a cluster of one.
pub(crate) fn membership(folder: &DataFolder, config: &ControllerConfig) -> Result<Membership, StartError> {
    if let Some(known) = member::read(folder.path())? {
        return Ok(known);
    }
    let founder = Membership { id: 1, founders: vec![1], cluster: config.cluster.clone(), begun: false };
    member::write(folder.path(), &founder)?;
    Ok(founder)
}

/// Whether the log has any file: one that was begun always has.
fn has_log(folder: &DataFolder) -> bool {
    let entries = std::fs::read_dir(folder.log()).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.path().extension().is_some_and(|kind| kind == "raftlog"))
}

pub(crate) fn recover(
    folder: &DataFolder,
    config: &ControllerConfig,
    member: &Membership,
) -> Result<Recovered, StartError> {
    let mut notices = Vec::new();
    if member.begun && !has_log(folder) {
        return Err(StartError::LogLost { id: member.id });
    }
    let (mut log, mut recovered) = DurableLog::open(folder, config.log.clone())?;
    notices.extend(recovered.torn_tail.as_ref().map(ToString::to_string));
    if !member.begun {
        member::write(folder.path(), &Membership { begun: true, ..member.clone() })?;
    }
    let snapshots = SnapshotStore::of(folder);
    let latest = snapshots.load_latest()?;
    let refused = latest.refused.iter();
    notices
        .extend(refused.map(|bad| format!("snapshot {} was put aside: {}", bad.file.display(), bad.reason)));
    let (point, state) = match latest.found {
        Some((point, image)) => (point, State::decode(&image)?),
        None => Default::default(),
    };
    let state = if point.index == 0 { State::founded(&member.founders) } else { state };
    // A snapshot of another member that is ahead of the log, or that the log does not lead to, begins it anew: the
    // process ended after it was stored and before the log followed.
    let leads_there = point.index == 0
        || point.index + 1 < recovered.first_index
        || log.term(point.index).is_ok_and(|term| term == point.term);
    if !leads_there {
        let hard_state = HardState { commit: point.index, ..recovered.hard_state };
        log.restart_after(&point, hard_state)?;
        notices.push(format!("the log begins anew after the snapshot at entry {}", point.index));
        recovered.hard_state = hard_state;
        (recovered.first_index, recovered.last_index) = (point.index + 1, point.index);
    }
    if recovered.first_index > point.index + 1 {
        return Err(StartError::Gap { first: recovered.first_index, snapshot: point.index });
    }
    let mut entries = Vec::new();
    let mut from = point.index + 1;
    while from <= recovered.last_index {
        let read = log.entries(from, recovered.last_index + 1, READ_AT_ONCE)?;
        from += read.len() as u64;
        entries.extend(read);
    }
    let restored = Restored { hard_state: recovered.hard_state, point, entries };
    Ok(Recovered { log, snapshots, state, restored, notices })
}
