//! Live logs: what an attempt prints, read by a controller while it prints.
//!
//! A log past its limit has a hole in its middle (see the keeper's log limit). What is sent in its place is one line
//! that says so; whoever counts bytes from there on reads some of the log's end twice, and misses nothing.

use std::{fs::File, future::Future, io, os::unix::fs::FileExt, time::Duration};

use rustix::fs::{SeekFrom, seek};
use tidegate_scheduler::ids::Fence;
use tidegate_store::wire::{BlobData, BulkReply, LogStream, MAX_DATA};
use tidegate_transport::{bulk::BulkStream, error::BulkError};

use crate::{finish::hole_text, folder::AttemptFolder};

/// How often a log is looked at while somebody follows it.
const POLL: Duration = Duration::from_millis(50);

/// Which log to read, and from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogRequest {
    pub(crate) fence: Fence,
    pub(crate) stream: LogStream,
    pub(crate) offset: u64,
    pub(crate) follow: bool,
}

/// Sends a log. `is_over` says whether nothing of an attempt writes any more, or that it is not here.
///
/// # Errors
///
/// The peer or the link has gone.
pub(crate) async fn serve<F: Future<Output = Option<bool>>>(
    request: LogRequest,
    folder: &AttemptFolder,
    mut stream: BulkStream,
    is_over: impl Fn(Fence) -> F,
) -> Result<(), BulkError> {
    let path = match request.stream {
        LogStream::Stdout => folder.stdout(),
        LogStream::Stderr => folder.stderr(),
    };
    let mut log: Option<Log> = None;
    let mut offset = request.offset;
    loop {
        // Asked before reading: what was written before the end is read after it.
        let over = is_over(request.fence).await;
        if log.is_none() {
            log = match folder.open_log(&path) {
                Ok(file) => Some(Log { file }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return end(stream, refused(&error)).await,
            };
        }
        // Acknowledged, and deleted or soon to be: the controller has all of it.
        let Some(over) = over.or(log.is_some().then_some(true)) else {
            return end(stream, BulkReply::Missing).await;
        };
        if over && log.is_none() && !folder.is_there() {
            return end(stream, BulkReply::Missing).await;
        }
        if let Some(log) = &log {
            loop {
                match log.read(offset) {
                    Ok(None) => break,
                    Ok(Some((piece, next))) => {
                        offset = next;
                        stream.send.message(&BulkReply::Data(BlobData(piece))).await?;
                    }
                    Err(error) => return end(stream, refused(&error)).await,
                }
            }
        }
        if over || !request.follow {
            return end(stream, BulkReply::LogEnd { len: offset, complete: over }).await;
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn end(mut stream: BulkStream, last: BulkReply) -> Result<(), BulkError> {
    stream.send.message(&last).await?;
    stream.send.delivered().await
}

fn refused(error: &io::Error) -> BulkReply {
    BulkReply::Refused { reason: format!("the log cannot be read: {error}") }
}

struct Log {
    file: File,
}

impl Log {
    /// The next piece at `offset`, and where to go on; `None` at the end.
    fn read(&self, offset: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
        let len = self.file.metadata()?.len();
        if offset >= len {
            return Ok(None);
        }
        let data = match seek(&self.file, SeekFrom::Data(offset)) {
            Ok(data) => data,
            // A hole up to the end: what is behind it is still to come.
            Err(rustix::io::Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if data > offset {
            return Ok(Some((hole_text(data - offset).into_bytes(), data)));
        }
        let hole = seek(&self.file, SeekFrom::Hole(offset))?;
        let mut piece = vec![0; usize::try_from(hole - offset).unwrap_or(MAX_DATA).min(MAX_DATA)];
        let count = self.file.read_at(&mut piece, offset)?;
        piece.truncate(count);
        Ok((count > 0).then_some((piece, offset + count as u64)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::fs::{FallocateFlags, fallocate};

    use super::*;

    fn drain(log: &Log, mut offset: u64) -> (Vec<u8>, u64) {
        let mut all = Vec::new();
        while let Some((piece, next)) = log.read(offset).unwrap() {
            all.extend(piece);
            offset = next;
        }
        (all, offset)
    }

    #[test]
    fn a_log_is_read_from_where_one_was_and_a_hole_is_told() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("log");
        let mut file = File::create(&path).unwrap();
        let content: Vec<u8> = (0..1 << 20).map(|at: u32| b'a' + (at % 26) as u8).collect();
        file.write_all(&content).unwrap();
        let log = Log { file: File::open(&path).unwrap() };
        assert_eq!(drain(&log, 5), (content[5..].to_vec(), 1 << 20));
        file.write_all(b"more").unwrap();
        assert_eq!(drain(&log, 1 << 20).0, b"more");
        fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 8192, 1 << 19).unwrap();
        let (text, end) = drain(&log, 0);
        let told = hole_text(1 << 19);
        assert!(text.starts_with(&content[..8192]) && text.ends_with(b"more"));
        assert_eq!(&text[8192..8192 + told.len()], told.as_bytes());
        assert_eq!((text.len(), end), (content.len() + 4 - (1 << 19) + told.len(), (1 << 20) + 4));
    }
}
