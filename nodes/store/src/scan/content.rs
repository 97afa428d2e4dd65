//! The digests of files.

use std::io::{self, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use super::ScanError;
use super::walk::FoundFile;
use crate::beneath::open_file_at;
use crate::{Digest, DigestWriter};

/// A folder with more bytes than this is read by several threads.
const WORTH_THREADS: u64 = 4 << 20;
const MAX_THREADS: usize = 4;
const BUFFER: usize = 128 << 10;

/// The digest and size of each file, in the order of `files`.
pub(super) fn read(
    root: &OwnedFd,
    folder: &Path,
    files: &[FoundFile],
    max_bytes: u64,
) -> Result<Vec<(Digest, u64)>, ScanError> {
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    let digest = |file: &FoundFile| {
        digest(root, &file.path, max_bytes).map_err(|e| ScanError::io("read", folder, &file.path, e))
    };
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get().min(MAX_THREADS));
    if threads < 2 || bytes < WORTH_THREADS {
        return files.iter().map(digest).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(vec![None; files.len()]);
    let work = || {
        while let Some((at, file)) =
            Some(next.fetch_add(1, Relaxed)).and_then(|at| Some((at, files.get(at)?)))
        {
            let read = digest(file)?;
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[at] = Some(read);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(done.into_iter().map(|read| read.expect("every file was read, or its thread failed")).collect())
}

fn digest(root: &OwnedFd, path: &str, max_bytes: u64) -> io::Result<(Digest, u64)> {
    let mut digest = DigestWriter::new();
    // A file that grows while it is read does not keep the reader for ever.
    let file = open_file_at(root, path)?;
    let file = file.take(max_bytes.saturating_add(1));
    let size = io::copy(&mut BufReader::with_capacity(BUFFER, file), &mut digest)?;
    if size > max_bytes {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it grew past the limit while it was read"));
    }
    Ok((digest.finish(), size))
}
