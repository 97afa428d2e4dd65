//! Which blobs history refers to, and sweeping the others.

use std::collections::HashSet;
use std::time::Duration;

use tidegate_scheduler::ids::RunId;
use tidegate_scheduler::message::Report;

use super::{History, HistoryError, rows};
use crate::artifacts::Artifacts;
use crate::{Digest, MAX_TREE_BYTES, Removed, Tree};

/// Runs looked at in one query, so that no read keeps the write-ahead log from being emptied.
const PAGE: u32 = 1000;

impl History {
    /// Removes the blobs that no run of this history refers to: neither as its body, nor by name in its body,
    /// nor as something an attempt left, nor through a folder's snapshot among these.
    ///
    /// Blobs that somebody stored within `untouched_for` stay: what is about to be referred to was checked or
    /// stored just before. Use an hour or more.
    ///
    /// # Errors
    /// [`HistoryError::Behind`], as what is missing may refer to any blob; or when the database or the blob store
    /// cannot be read or written. Nothing is removed unless all that is referred to could be read.
    pub fn sweep_blobs(&self, untouched_for: Duration) -> Result<Removed, HistoryError> {
        self.writer().check_gap()?;
        let referenced = self.referenced()?;
        Ok(self.inner.blobs.sweep(untouched_for, |digest| referenced.contains(digest))?)
    }

    /// The blobs that runs of this history refer to and that are not stored here, all of them: after a copy they
    /// are fetched from a peer, and those that nobody has must not be in the way of others. What the folders among them hold is only known, and named, once these are
    /// here; so ask until there is none.
    ///
    /// # Errors
    /// When the database or the blob store cannot be read.
    pub fn missing_blobs(&self) -> Result<Vec<Digest>, HistoryError> {
        let mut referenced: Vec<Digest> = self.referenced()?.into_iter().collect();
        referenced.sort_unstable();
        let mut missing = Vec::new();
        for digests in referenced.chunks(PAGE as usize) {
            missing.extend(self.inner.blobs.missing(digests)?);
        }
        Ok(missing)
    }

    /// Every digest that a run of this history refers to.
    ///
    /// # Errors
    /// When the database or the blob store cannot be read.
    pub fn referenced(&self) -> Result<HashSet<Digest>, HistoryError> {
        let mut found = Found { history: self, digests: HashSet::new(), trees: Vec::new() };
        let mut after = 0;
        loop {
            let runs = self.inner.readers.read(|db| {
                db.prepare_cached("SELECT run FROM runs WHERE run > ?1 ORDER BY run LIMIT ?2")?
                    .query_map((after, PAGE), |row| row.get(0))?
                    .collect::<rusqlite::Result<Vec<u64>>>()
            })?;
            let Some(last) = runs.last() else { break };
            after = *last;
            for run in runs {
                found.run(run)?;
            }
        }
        found.close()?;
        Ok(found.digests)
    }
}

struct Found<'a> {
    history: &'a History,
    digests: HashSet<Digest>,
    /// Snapshots of folders, which refer to further blobs.
    trees: Vec<Digest>,
}

impl Found<'_> {
    fn tree(&mut self, digest: Digest) {
        if self.digests.insert(digest) {
            self.trees.push(digest);
        }
    }

    fn run(&mut self, run: u64) -> Result<(), HistoryError> {
        let Some(row) = self.history.run(RunId(run))? else { return Ok(()) };
        self.body(row.submit.digest.into())?;
        let query = format!("SELECT {} FROM attempts WHERE run = ?1", rows::ATTEMPT_COLUMNS);
        let attempts = self.history.inner.readers.read(|db| {
            db.prepare_cached(&query)?.query_map([run], rows::attempt)?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        attempts.into_iter().filter_map(|attempt| attempt.report).for_each(|report| self.report(&report));
        Ok(())
    }

    fn report(&mut self, report: &Report) {
        match Artifacts::decode(&report.artifacts) {
            Ok(artifacts) => {
                for log in [&artifacts.stdout, &artifacts.stderr].into_iter().flatten() {
                    self.digests.insert(log.digest);
                }
                let trees =
                    artifacts.default.into_iter().chain(artifacts.named.iter().map(|(_, tree)| *tree));
                trees.for_each(|tree| self.tree(tree));
            }
            Err(error) => tracing::warn!(fence = %report.fence, %error, "artifacts that cannot be read"),
        }
    }

    /// A body and what it names: any digest in it counts, whatever key it stands under.
    fn body(&mut self, digest: Digest) -> Result<(), HistoryError> {
        if !self.digests.insert(digest) {
            return Ok(());
        }
        let Some(body) = self.history.inner.blobs.get(&digest)? else { return Ok(()) };
        for (named, may_be_tree) in digests_in(&body) {
            if may_be_tree {
                self.tree(named);
            } else {
                self.digests.insert(named);
            }
        }
        Ok(())
    }

    /// Adds what is in the folders that were found.
    fn close(&mut self) -> Result<(), HistoryError> {
        let blobs = &self.history.inner.blobs;
        while let Some(digest) = self.trees.pop() {
            // Something larger cannot be the snapshot of a folder, and need not be read.
            if blobs.len(&digest)?.is_none_or(|length| length > MAX_TREE_BYTES as u64) {
                continue;
            }
            let bytes = blobs.get(&digest)?.unwrap_or_default();
            if let Ok(tree) = Tree::decode(&bytes) {
                self.digests.extend(tree.contents());
            }
        }
        Ok(())
    }
}

/// Every digest that a text names, and whether it may be that of a folder: `blob:` before it says no.
fn digests_in(text: &[u8]) -> impl Iterator<Item = (Digest, bool)> + '_ {
    const LENGTH: usize = "sha256-".len() + 64;
    text.windows(LENGTH).enumerate().filter(|(_, part)| part.starts_with(b"sha256-")).filter_map(
        |(at, part)| {
            let digest = std::str::from_utf8(part).ok()?.parse().ok()?;
            Some((digest, !text[..at].ends_with(b"blob:")))
        },
    )
}
