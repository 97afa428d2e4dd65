//! A log as it is stored: the whole file, or its head and its end when it grew past its limit.

use std::{
    fs::{File, OpenOptions},
    io::{self, Cursor, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use tidegate_store::{Digest, DigestWriter, artifacts::StoredLog};

use crate::link::{Contents, Part, Source};

/// Logs up to this size are read into memory at once.
const SMALL_BYTES: u64 = 64 << 10;

/// What stands in a stored or live log where its middle is gone.
pub(crate) fn hole_text(bytes: u64) -> String {
    format!("\n[tidegate: {bytes} bytes are left out here, since the log grew past its limit]\n")
}

/// Adds a log to what is to be stored. `cut` is the limit that it grew past, if it did. Nothing is stored of a log that
/// is empty or was never made.
///
/// # Errors
///
/// It cannot be read, or is larger than `most` bytes (`FileTooLarge`).
pub(super) fn collect(
    path: &Path,
    cut: Option<u64>,
    most: u64,
    contents: &mut Contents,
) -> io::Result<Option<StoredLog>> {
    let file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no longer a file"));
    }
    let written = metadata.len();
    if written == 0 {
        return Ok(None);
    }
    if written > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let (digest, kept, source) = match cut.filter(|limit| written > *limit) {
        None if written <= SMALL_BYTES => {
            let mut bytes = Vec::new();
            file.take(written).read_to_end(&mut bytes)?;
            (Digest::of(&bytes), bytes.len() as u64, Source::Memory(bytes.into()))
        }
        None => stream(path, vec![Part::Bytes { from: 0, len: written }])?,
        Some(limit) => stream(path, parts(&file, written, limit)?)?,
    };
    contents.add(digest, kept, source);
    Ok(Some(StoredLog { digest, kept, written }))
}

fn stream(path: &Path, parts: Vec<Part>) -> io::Result<(Digest, u64, Source)> {
    let mut digest = DigestWriter::new();
    let kept = io::copy(&mut open_parts(path, &parts)?, &mut digest)?;
    Ok((digest.finish(), kept, Source::File(path.to_owned(), parts)))
}

/// What is left of a log past its limit: what is around its holes; or, on a file system that has no holes, its head and
/// its end.
fn parts(file: &File, len: u64, limit: u64) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < len {
        let data = match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => len,
            Err(error) => return Err(error.into()),
        };
        if data > at {
            parts.push(Part::Text(hole_text(data - at)));
        }
        at = data;
        if at < len {
            let hole = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(at))?.min(len);
            parts.push(Part::Bytes { from: at, len: hole - at });
            at = hole;
        }
    }
    if parts.iter().any(|part| matches!(part, Part::Text(_))) {
        return Ok(parts);
    }
    let half = limit / 2;
    Ok(vec![
        Part::Bytes { from: 0, len: half },
        Part::Text(hole_text(len - 2 * half)),
        Part::Bytes { from: len - half, len: half },
    ])
}

/// The parts of a file, end to end.
pub(crate) fn open_parts(path: &Path, parts: &[Part]) -> io::Result<Box<dyn Read + Send>> {
    let mut all: Box<dyn Read + Send> = Box::new(io::empty());
    for part in parts {
        let next: Box<dyn Read + Send> = match part {
            Part::Text(text) => Box::new(Cursor::new(text.clone().into_bytes())),
            Part::Bytes { from, len } => {
                let mut file = open(path)?;
                file.seek(SeekFrom::Start(*from))?;
                Box::new(file.take(*len))
            }
        };
        all = Box::new(all.chain(next));
    }
    Ok(all)
}

/// Never follows a link, and never waits for the other end of a pipe, that a run put in its log's place.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::fs::{FallocateFlags, fallocate};

    use super::*;

    fn stored(path: &Path, cut: Option<u64>) -> Option<(StoredLog, Vec<u8>)> {
        let mut contents = Contents::default();
        let log = collect(path, cut, u64::MAX, &mut contents).unwrap()?;
        let bytes = contents.read_all().unwrap().remove(0).into_vec();
        assert_eq!((Digest::of(&bytes), bytes.len() as u64), (log.digest, log.kept));
        Some((log, bytes))
    }

    #[test]
    fn a_log_is_stored_whole_and_an_empty_one_not_at_all() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("log");
        assert_eq!(stored(&path, None), None);
        std::fs::write(&path, "").unwrap();
        assert_eq!(stored(&path, None), None);
        for len in [1, 64 << 10, (64 << 10) + 1, 1 << 20] {
            let content = vec![b'x'; len];
            std::fs::write(&path, &content).unwrap();
            let (log, bytes) = stored(&path, None).unwrap();
            assert!(bytes == content && log.written == len as u64);
        }
    }

    #[test]
    fn a_log_past_its_limit_keeps_its_head_and_its_end() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("log");
        let content: Vec<u8> = (0..1 << 20).map(|at: u32| b'a' + (at % 26) as u8).collect();
        let mut file = File::create(&path).unwrap();
        file.write_all(&content).unwrap();
        let half = 32 << 10;
        let expected = [
            &content[..half],
            hole_text((1 << 20) - (64 << 10)).as_bytes(),
            &content[content.len() - half..],
        ]
        .concat();
        // Nobody has cut it, as on a file system without holes.
        let (log, bytes) = stored(&path, Some(64 << 10)).unwrap();
        assert!(bytes == expected && log.written == 1 << 20);
        fallocate(
            &file,
            FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            half as u64,
            (1 << 20) - (64 << 10),
        )
        .unwrap();
        let (log, bytes) = stored(&path, Some(64 << 10)).unwrap();
        assert!(bytes == expected && log.written == 1 << 20);
    }

    #[test]
    fn a_link_in_the_place_of_a_log_is_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("log");
        std::fs::write(temp.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink(temp.path().join("secret"), &path).unwrap();
        assert!(collect(&path, None, u64::MAX, &mut Contents::default()).is_err());
    }
}
