//! The table of small blobs: its form, and reading it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use super::StoreError;
use crate::Digest;
use crate::sqlite::{self, Form, Readers};

const SCHEMA: &str = "
    CREATE TABLE small (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        touched INTEGER NOT NULL, -- unix seconds when it was last stored, within ten minutes
        data BLOB NOT NULL
    );
    CREATE TABLE totals (blobs INTEGER NOT NULL, bytes INTEGER NOT NULL);
    INSERT INTO totals VALUES (0, 0);
    PRAGMA user_version = 1;
";

/// Opens the connection that writes, making the database when there is none.
pub(super) fn open_writer(path: &Path, durable: bool) -> Result<Connection, StoreError> {
    let form = Form {
        schema: SCHEMA,
        version: 1,
        upgrades: &[],
        synchronous: if durable { "FULL" } else { "OFF" },
        // The writer checkpoints by itself, after it has answered those who wait.
        autocheckpoint: 0,
    };
    sqlite::open_writer(path, &form)
}

/// Reads small blobs, for any thread.
#[derive(Debug)]
pub(super) struct SmallBlobs {
    readers: Readers,
}

impl SmallBlobs {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { readers: Readers::new(path) }
    }

    /// Reads a blob and checks its digest.
    pub(super) fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let data: Option<Vec<u8>> = self.readers.read(|db| {
            db.prepare_cached("SELECT data FROM small WHERE digest = ?1")?
                .query_row([digest.as_bytes()], |row| row.get(0))
                .optional()
        })?;
        match data {
            Some(data) if Digest::of(&data) != *digest => {
                Err(StoreError::Damaged { digest: *digest, place: self.readers.path().to_owned() })
            }
            found => Ok(found),
        }
    }

    /// A blob's size in bytes.
    pub(super) fn len(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        self.readers.read(|db| {
            db.prepare_cached("SELECT length(data) FROM small WHERE digest = ?1")?
                .query_row([digest.as_bytes()], |row| row.get(0))
                .optional()
        })
    }

    /// When a blob was last stored, in unix seconds.
    pub(super) fn touched(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        self.readers.read(|db| {
            db.prepare_cached("SELECT touched FROM small WHERE digest = ?1")?
                .query_row([digest.as_bytes()], |row| row.get(0))
                .optional()
        })
    }

    /// Up to `limit` blobs whose digests come after `after`, in the order of digests.
    pub(super) fn page(
        &self,
        after: Option<Digest>,
        limit: u32,
    ) -> Result<Vec<(Digest, u64, u64)>, StoreError> {
        let after: &[u8] = after.as_ref().map_or(&[], |digest| digest.as_bytes());
        self.readers.read(|db| {
            db.prepare_cached(
                "SELECT digest, length(data), touched FROM small WHERE digest > ?1 ORDER BY digest LIMIT ?2",
            )?
            .query_map((after, limit), |row| Ok((Digest::from_bytes(row.get(0)?), row.get(1)?, row.get(2)?)))?
            .collect()
        })
    }

    /// Closes what is open to read.
    pub(super) fn close(&self) {
        self.readers.close();
    }
}
