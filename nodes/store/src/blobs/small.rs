//! The table of small blobs: its form, and the connections that read it.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::StoreError;
use crate::Digest;

/// The newest form of the database that this release knows.
const FORMAT: i64 = 1;

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
    // SQLite gives its other files the permissions of this one.
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| StoreError::io("open", path, e))?;
    let db = try_open_writer(path, durable).map_err(|e| StoreError::database(path, e))?;
    let found: i64 = db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|e| StoreError::database(path, e))?;
    if found != FORMAT {
        return Err(StoreError::Format { path: path.to_owned(), found, known: FORMAT });
    }
    Ok(db)
}

fn try_open_writer(path: &Path, durable: bool) -> rusqlite::Result<Connection> {
    let mut db = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    db.busy_timeout(Duration::from_secs(10))?;
    // Before the first table: pages that a sweep empties can be given back to the file system.
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", if durable { "FULL" } else { "OFF" })?;
    // The writer checkpoints by itself, after it has answered those who wait.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "cache_size", -8192)?;
    let transaction = db.transaction()?;
    if transaction.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))? == 0 {
        transaction.execute_batch(SCHEMA)?;
    }
    transaction.commit()?;
    // What a killed process left in the write-ahead log is readable now, but was perhaps never synced.
    checkpoint(&db, "TRUNCATE")?;
    Ok(db)
}

/// Moves what is in the write-ahead log to the database file and syncs it.
pub(super) fn checkpoint(db: &Connection, mode: &str) -> rusqlite::Result<()> {
    db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
}

/// Gives up to `pages` pages that removed blobs held back to the file system.
pub(super) fn give_back(db: &Connection, pages: u32) -> rusqlite::Result<()> {
    let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({})", pages.min(i32::MAX as u32)))?;
    let mut freed = vacuum.query([])?; // a row for each page
    while freed.next()?.is_some() {}
    Ok(())
}

fn flags(access: OpenFlags) -> OpenFlags {
    // No URI names: a folder's name may contain '?'. One thread uses a connection at a time.
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Connections that read, lent to whoever asks.
#[derive(Debug)]
pub(super) struct SmallBlobs {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// How many idle readers are kept; more are opened when more threads read at once, and closed again.
const IDLE_READERS: usize = 8;

impl SmallBlobs {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Reads a blob and checks its digest.
    pub(super) fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let data: Option<Vec<u8>> = self.read(|db| {
            db.prepare_cached("SELECT data FROM small WHERE digest = ?1")?
                .query_row([digest.as_bytes()], |row| row.get(0))
                .optional()
        })?;
        match data {
            Some(data) if Digest::of(&data) != *digest => {
                Err(StoreError::Damaged { digest: *digest, place: self.path.clone() })
            }
            found => Ok(found),
        }
    }

    /// A blob's size in bytes.
    pub(super) fn len(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        self.read(|db| {
            db.prepare_cached("SELECT length(data) FROM small WHERE digest = ?1")?
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
        self.read(|db| {
            db.prepare_cached(
                "SELECT digest, length(data), touched FROM small WHERE digest > ?1 ORDER BY digest LIMIT ?2",
            )?
            .query_map((after, limit), |row| Ok((Digest::from_bytes(row.get(0)?), row.get(1)?, row.get(2)?)))?
            .collect()
        })
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let wrap = |e| StoreError::database(&self.path, e);
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = match idle {
            Some(db) => db,
            None => self.open_reader().map_err(wrap)?,
        };
        // A connection whose query failed is not lent again.
        let answer = query(&db).map_err(wrap)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS {
            idle.push(db);
        }
        Ok(answer)
    }

    /// Closes the idle readers, so that the writer is the last to close the database and tidies it.
    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn open_reader(&self) -> rusqlite::Result<Connection> {
        let db = Connection::open_with_flags(&self.path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
        db.busy_timeout(Duration::from_secs(10))?;
        Ok(db)
    }
}

/// Removes a database and its side files: for a cache, whose content may be fetched again.
pub(super) fn delete(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", Path::new(&file), e));
            }
            _ => {}
        }
    }
    Ok(())
}
