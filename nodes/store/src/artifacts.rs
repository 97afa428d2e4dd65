//! What an attempt leaves behind, by role: the content of `Report::artifacts`.

use crate::Digest;
use serde::{Deserialize, Serialize};

/// All that one attempt left in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifacts {
    /// Standard output; absent when nothing was written.
    pub stdout: Option<StoredLog>,
    /// Standard error; absent when nothing was written.
    pub stderr: Option<StoredLog>,
    /// The folders `outputs/` and `logs/` of the working folder, as one tree; absent when both are empty.
    pub default: Option<Digest>,
    /// The outputs that the job names, each as a tree.
    pub named: Vec<(String, Digest)>,
    /// Which environment it ran in, for people.
    pub environment: String,
    /// Which limits were enforced, for people.
    pub confinement: String,
}

/// A log as it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredLog {
    /// Its content.
    pub digest: Digest,
    /// Bytes kept.
    pub kept: u64,
    /// Bytes written by the command; more than `kept` when the middle was dropped.
    pub written: u64,
}

impl Artifacts {
    /// As bytes, for `Report::artifacts`.
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec(self).expect("every type of Artifacts can be encoded")
    }

    /// From `Report::artifacts`; empty bytes stand for nothing left.
    pub fn decode(bytes: &[u8]) -> Result<Artifacts, rmp_serde::decode::Error> {
        if bytes.is_empty() { Ok(Artifacts::default()) } else { rmp_serde::from_slice(bytes) }
    }

    /// Every digest that it refers to.
    pub fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        let logs = [&self.stdout, &self.stderr].into_iter().flatten().map(|log| log.digest);
        logs.chain(self.default).chain(self.named.iter().map(|(_, digest)| *digest))
    }
}
