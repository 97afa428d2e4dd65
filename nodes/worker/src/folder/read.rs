//! Reading back what was written down of attempts.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use tidegate_scheduler::{ids::Fence, message::Assignment};

use super::{AttemptFolder, NodeFolder, write_whole};
use crate::attempts::{Parcel, Record, Recovered};

/// What is in an attempt's file `report`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reported {
    pub(crate) assignment: Assignment,
    pub(crate) parcel: Parcel,
}

impl AttemptFolder {
    /// Writes down what a later agent must know; the command may start after that.
    pub(crate) fn write_record(&self, record: &Record) -> io::Result<()> {
        // Half a record is none: the attempt was not started then.
        let draft = self.draft();
        super::write_over(&draft, &encode(record)?)?;
        fs::rename(draft, self.assignment())
    }

    /// Writes the report down, before it is sent.
    pub(crate) fn write_report(&self, reported: &Reported) -> io::Result<()> {
        write_whole(&self.report(), &encode(reported)?)
    }
}

/// The report in an attempt's folder.
pub(crate) fn read_report(folder: &AttemptFolder) -> io::Result<Reported> {
    decode(&folder.report())
}

impl NodeFolder {
    /// The attempts that an agent before this one left. What it left half made is deleted, and what was spare.
    pub(crate) fn recover(&self) -> io::Result<Vec<(Fence, Recovered)>> {
        match fs::remove_dir_all(self.spare()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(self.runs())? {
            let entry = entry?;
            let Some(fence) = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(Fence) else {
                tracing::warn!(path = %entry.path().display(), "this is not an attempt's folder: left alone");
                continue;
            };
            let folder = self.attempt(fence);
            match recover(&folder) {
                Ok(Some(recovered)) => found.push((fence, recovered)),
                Ok(None) => folder.remove()?,
                Err(error) => {
                    tracing::error!(%fence, %error, "an attempt's folder cannot be understood: it is deleted");
                    folder.remove()?;
                }
            }
        }
        found.sort_unstable_by_key(|(fence, _)| *fence);
        Ok(found)
    }
}

fn recover(folder: &AttemptFolder) -> io::Result<Option<Recovered>> {
    if folder.report().try_exists()? {
        let Reported { assignment, .. } = read_report(folder)?;
        return Ok(Some(Recovered::Reported(Box::new(assignment))));
    }
    if folder.assignment().try_exists()? {
        return Ok(Some(Recovered::Prepared(decode(&folder.assignment())?)));
    }
    Ok(None)
}

/// With the names of its fields, so that agents of other versions can read it.
fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    rmp_serde::to_vec_named(value).map_err(io::Error::other)
}

fn decode<T: for<'a> Deserialize<'a>>(path: &Path) -> io::Result<T> {
    let bytes = fs::read(path)?;
    rmp_serde::from_slice(&bytes).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, what)
    })
}
