//! Reading one blob piece by piece.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::StoreError;
use crate::{Digest, DigestWriter};

/// An open blob. It stays readable when the blob is removed meanwhile.
///
/// Read from its first byte to its end without seeking, a blob of any size is checked against its digest:
/// the read that meets the end fails with [`io::ErrorKind::InvalidData`] when the content is damaged.
/// Blobs small enough for the database are checked before they are opened.
#[derive(Debug)]
pub struct BlobReader {
    len: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Memory(Cursor<Vec<u8>>),
    File(Box<FileContent>),
}

struct FileContent {
    file: File,
    digest: Digest,
    place: PathBuf,
    /// The digest of all that was read, as long as nothing was skipped.
    seen: Option<(DigestWriter, u64)>,
}

impl std::fmt::Debug for FileContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileContent").field("place", &self.place).finish_non_exhaustive()
    }
}

impl BlobReader {
    pub(super) fn of_memory(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len() as u64, content: Content::Memory(Cursor::new(bytes)) }
    }

    pub(super) fn of_file(file: File, len: u64, digest: Digest, place: PathBuf) -> Self {
        let seen = Some((DigestWriter::new(), 0));
        Self { len, content: Content::File(Box::new(FileContent { file, digest, place, seen })) }
    }

    /// The blob's size in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the blob has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl FileContent {
    fn read(&mut self, buffer: &mut [u8], len: u64) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let Some((digest, at)) = &mut self.seen else {
            return Ok(count);
        };
        digest.update(&buffer[..count]);
        *at += count as u64;
        let at_end = if count == 0 { !buffer.is_empty() } else { *at >= len };
        if at_end {
            let (digest, at) = self.seen.take().unwrap_or_default();
            if at != len || digest.finish() != self.digest {
                let damaged = StoreError::Damaged { digest: self.digest, place: self.place.clone() };
                return Err(io::Error::new(io::ErrorKind::InvalidData, damaged));
            }
        }
        Ok(count)
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.content {
            Content::Memory(cursor) => cursor.read(buffer),
            Content::File(file) => file.read(buffer, self.len),
        }
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.content {
            Content::Memory(cursor) => cursor.seek(to),
            Content::File(content) => {
                content.seen = None;
                content.file.seek(to)
            }
        }
    }
}
