//! The report: how an attempt ended, and what it left.

use std::{io, path::PathBuf};

use tidegate_scheduler::message::{End, Report};
use tidegate_store::{artifacts::Artifacts, node_wire::INLINE_BYTES};

use super::{logs, outputs};
use crate::{
    attempts::{Finish, Parcel},
    folder::{AttemptFolder, NodeFolder, Reported, Room},
    link::{Contents, Remote},
};

/// Reports with more content than this are not kept in memory until they are acknowledged.
const KEPT_BYTES: u64 = 4 << 10;
/// Logs up to this size are read among short runs' files.
const LIGHT_BYTES: u64 = 64 << 10;
/// A run that wrote less was not hindered by a full disk.
const WORTH_A_LOOK: u64 = 64 << 10;

/// What an attempt left, found but not stored.
#[derive(Debug)]
pub(crate) struct Collected {
    finish: Box<Finish>,
    artifacts: Artifacts,
    pub(crate) contents: Contents,
    notes: Vec<String>,
    /// What should have been kept and could not be.
    lost: Vec<String>,
    /// A log was too large to be looked at lightly.
    too_much: bool,
}

/// A report that can be sent.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) parcel: Parcel,
    /// It is in the attempt's folder.
    pub(crate) on_disk: bool,
}

impl Collected {
    /// Small enough to go with the report.
    pub(crate) fn is_small(&self) -> bool {
        self.contents.bytes() <= INLINE_BYTES as u64
    }
}

/// How far to look at what an attempt left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// As long as there is next to nothing.
    Light,
    Full,
}

/// Looks at all that an attempt left. Blocks.
///
/// # Errors
///
/// With [`Effort::Light`], that there is more than a little; nothing was done then.
pub(crate) fn collect(
    node: &NodeFolder,
    finish: Box<Finish>,
    confinement: &str,
    log_limit_bytes: u64,
    effort: Effort,
) -> Result<Collected, Box<Finish>> {
    let folder = node.attempt(finish.assignment.fence);
    let record = finish.record.clone();
    let mut found = Collected {
        artifacts: Artifacts {
            environment: record.as_ref().map(|record| record.environment.clone()).unwrap_or_default(),
            confinement: confinement.to_owned(),
            ..Artifacts::default()
        },
        contents: Contents::default(),
        notes: finish.notes.clone(),
        lost: Vec::new(),
        too_much: false,
        finish,
    };
    // One that was never prepared has no folder, or half a one.
    let Some(record) = record.filter(|_| folder.assignment().exists()) else { return Ok(found) };
    // Before all else: to read much takes long, and there may be room again by then.
    let room = if effort == Effort::Full { Room::of(folder.root()).ok() } else { None };
    let rest = outputs::not_empty(&folder, &mut found.notes);
    found.collect_logs(&folder, log_limit_bytes, effort);
    if effort == Effort::Light && (!rest.is_empty() || !record.outputs.is_empty() || found.too_much) {
        return Err(found.finish);
    }
    match outputs::collect_default(&folder, &rest, &mut found.contents, &mut found.notes) {
        Ok(default) => found.artifacts.default = default,
        Err(error) => found.lost.push(error),
    }
    for name in &record.outputs {
        match outputs::collect_named(name, &folder, &mut found.contents, &mut found.notes) {
            Ok(digest) => found.artifacts.named.push((name.clone(), digest)),
            Err(error) => found.lost.push(error),
        }
    }
    found.tell_of_full_disk(room);
    Ok(found)
}

impl Collected {
    fn collect_logs(&mut self, folder: &AttemptFolder, limit: u64, effort: Effort) {
        let cut = self.finish.ending.log_cut.then_some(limit);
        let most = if effort == Effort::Light { LIGHT_BYTES } else { u64::MAX };
        let mut log = |path: PathBuf, name| match logs::collect(&path, cut, most, &mut self.contents) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                self.too_much = true;
                None
            }
            Ok(Some(log)) => {
                if log.kept < log.written {
                    let (kept, written) = (log.kept >> 20, log.written >> 20);
                    self.notes.push(format!(
                        "{name} grew to {written} MiB: its first and last parts, {kept} MiB, were kept"
                    ));
                }
                Some(log)
            }
            Ok(None) => None,
            Err(error) => {
                self.lost.push(format!("{name} cannot be kept: {error}"));
                None
            }
        };
        self.artifacts.stdout = log(folder.stdout(), "standard output");
        self.artifacts.stderr = log(folder.stderr(), "standard error");
    }

    /// What filled the disk is often the run itself, and nobody looked in time. `room` is what there was at its end.
    fn tell_of_full_disk(&mut self, room: Option<Room>) {
        let told = self.notes.iter().any(|note| note.contains("disk was full"));
        if let Some(room) = room.filter(|room| room.is_gone() && !told)
            && self.contents.bytes() >= WORTH_A_LOOK
        {
            self.notes.push(format!(
                "{room}, since the disk was full at its end: its logs and outputs may be incomplete"
            ));
        }
    }

    /// Nothing that it refers to could be stored.
    fn fail(&mut self, reason: String) {
        let Artifacts { environment, confinement, .. } = std::mem::take(&mut self.artifacts);
        self.artifacts = Artifacts { environment, confinement, ..Artifacts::default() };
        self.contents = Contents::default();
        self.notes.push(format!("it ended with: {}", self.finish.ending.end));
        self.finish.ending.end = End::System { reason };
    }
}

/// The report of an attempt whose end could not be looked at: a fault of ours.
pub(crate) fn broken(finish: Box<Finish>, fault: &str) -> Collected {
    let mut found = Collected {
        artifacts: Artifacts::default(),
        contents: Contents::default(),
        notes: finish.notes.clone(),
        lost: Vec::new(),
        too_much: false,
        finish,
    };
    found.fail(format!("what it left cannot be looked at: {fault}"));
    found
}

/// Stores contents that are too large to go with the report.
pub(crate) async fn store(mut found: Collected, remote: &Remote) -> Collected {
    match remote.put(&found.contents).await {
        Ok(()) => found.contents = Contents::default(),
        Err(error) => found.fail(format!("what it left cannot be stored: {error}")),
    }
    found
}

/// Makes the report, with the contents that are left to go with it, and writes it down unless the keeper and the folder
/// would give the same one again. Blocks.
pub(crate) fn seal(node: &NodeFolder, mut found: Collected) -> Finished {
    let blobs = match found.contents.read_all() {
        Ok(blobs) => blobs,
        Err(error) => {
            found.fail(format!("what it left cannot be stored: {error}"));
            Vec::new()
        }
    };
    let bytes = blobs.iter().fold(0, |sum, blob| sum + blob.len() as u64);
    let Collected { finish, artifacts, mut notes, lost, .. } = found;
    let Finish { assignment, ending, .. } = *finish;
    let end = match ending.end {
        // What is not kept has not succeeded.
        End::Succeeded if !lost.is_empty() => End::System { reason: lost.join("; ") },
        end => {
            notes.extend(lost);
            end
        }
    };
    let report = Report {
        fence: assignment.fence,
        end,
        started: ending.started,
        ended: ending.ended,
        cpu_micros: ending.cpu_micros,
        max_rss_kib: ending.max_rss_kib,
        artifacts: artifacts.encode(),
        notes,
    };
    let parcel = Parcel { report: Box::new(report), blobs };
    if ending.can_be_told_again && bytes <= KEPT_BYTES {
        return Finished { parcel, on_disk: false };
    }
    let reported = Reported { assignment: (*assignment).clone(), parcel };
    let written = write(&node.attempt(reported.assignment.fence), &reported);
    Finished { parcel: reported.parcel, on_disk: written }
}

fn write(folder: &AttemptFolder, reported: &Reported) -> bool {
    let made = match crate::folder::make(folder.root()) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => folder.write_report(reported),
    };
    if let Err(error) = &made {
        // It is in memory: lost only if this agent dies before it is delivered.
        let fence = reported.assignment.fence;
        tracing::warn!(%fence, %error, "a report cannot be written down");
    }
    made.is_ok()
}
