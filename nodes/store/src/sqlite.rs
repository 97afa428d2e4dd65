//! What every database here has in common: how it is opened, read, emptied and put to rest.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::StoreError;

/// How a database is written.
pub(crate) struct Form {
    /// Its tables; must end by setting `user_version` to `version`.
    pub(crate) schema: &'static str,
    /// The newest form that this release knows.
    pub(crate) version: i64,
    /// How an older database is brought forward: the first leads from version 1 to 2, and so on. Each must end
    /// by setting `user_version`.
    pub(crate) upgrades: &'static [&'static str],
    /// SQLite's `synchronous`.
    pub(crate) synchronous: &'static str,
    /// Pages of write-ahead log after which a commit also checkpoints; 0 for never.
    pub(crate) autocheckpoint: u32,
}

/// Opens the connection that writes, making the database when there is none.
pub(crate) fn open_writer(path: &Path, form: &Form) -> Result<Connection, StoreError> {
    // SQLite gives its other files the permissions of this one.
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| StoreError::io("open", path, e))?;
    let wrap = |e| StoreError::database(path, e);
    let db = try_open_writer(path, form).map_err(wrap)?;
    let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(wrap)?;
    if found != form.version {
        return Err(StoreError::Format { path: path.to_owned(), found, known: form.version });
    }
    Ok(db)
}

fn try_open_writer(path: &Path, form: &Form) -> rusqlite::Result<Connection> {
    let mut db = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    db.busy_timeout(Duration::from_secs(10))?;
    db.set_prepared_statement_cache_capacity(64);
    // Before the first table: pages that a removal empties can be given back to the file system.
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", form.synchronous)?;
    db.pragma_update(None, "wal_autocheckpoint", form.autocheckpoint)?;
    db.pragma_update(None, "cache_size", -8192)?;
    let transaction = db.transaction()?;
    match transaction.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))? {
        0 => transaction.execute_batch(form.schema)?,
        found => {
            for (upgrade, from) in form.upgrades.iter().zip(1..).filter(|(_, from)| *from >= found) {
                tracing::info!(path = %path.display(), from, "the database is brought to its next form");
                transaction.execute_batch(upgrade)?;
            }
        }
    }
    transaction.commit()?;
    // What a killed process left in the write-ahead log is readable now, but was perhaps never synced.
    checkpoint(&db, "TRUNCATE")?;
    Ok(db)
}

/// Moves what is in the write-ahead log to the database file and syncs it.
pub(crate) fn checkpoint(db: &Connection, mode: &str) -> rusqlite::Result<()> {
    db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
}

/// Gives up to `pages` pages that removed rows held back to the file system.
pub(crate) fn give_back(db: &Connection, pages: u32) -> rusqlite::Result<()> {
    let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut freed = vacuum.query([])?; // a row for each page
    while freed.next()?.is_some() {}
    Ok(())
}

/// Removes a database and its side files: for a cache, whose content may be fetched again.
pub(crate) fn delete(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let file = beside(path, suffix);
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &file, e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A file that SQLite keeps beside a database.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut file = path.as_os_str().to_owned();
    file.push(suffix);
    file.into()
}

fn flags(access: OpenFlags) -> OpenFlags {
    // No URI names: a folder's name may contain '?'. One thread uses a connection at a time.
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Connections that read, lent to whoever asks.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// How many idle readers are kept; more are opened when more threads read at once, and closed again.
const IDLE_READERS: usize = 8;

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// The database file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks the database something.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let wrap = |e| StoreError::database(&self.path, e);
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = match idle {
            Some(db) => db,
            None => self.open().map_err(wrap)?,
        };
        // A connection whose query failed is not lent again.
        let answer = query(&db).map_err(wrap)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS {
            idle.push(db);
        }
        Ok(answer)
    }

    /// Closes the idle connections, so that the writer is the last to close the database and tidies it.
    pub(crate) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let db = Connection::open_with_flags(&self.path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
        db.busy_timeout(Duration::from_secs(10))?;
        db.set_prepared_statement_cache_capacity(64);
        Ok(db)
    }
}
