//! Frames: a length of four bytes, big-endian, then a body that is one value in MessagePack (`rmp-serde`, compact:
//! structs as arrays, enums externally tagged).
//!
//! Pure and total: any bytes give values or an error, never a panic, and memory stays in proportion to what was
//! really received, whatever a length claims.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

pub use crate::error::{FrameError, FrameIoError};

pub mod shape;

/// Bytes of the length that precedes a body.
pub const HEADER_BYTES: usize = 4;

/// A buffer that has grown beyond this is given back once it is empty.
pub(crate) const KEEP_BYTES: usize = 64 * 1024;

/// Encodes `value` as one frame. `max` is the largest body allowed, in bytes.
///
/// # Errors
///
/// The body would be larger than `max`, nests too deeply, or the value cannot be represented.
pub fn encode<T: Serialize + ?Sized>(value: &T, max: usize) -> Result<Vec<u8>, FrameError> {
    let mut frame = Vec::with_capacity(128);
    encode_into(&mut frame, value, max)?;
    Ok(frame)
}

/// As [`encode`], appending to `buffer`, which is left as it was when encoding fails.
///
/// # Errors
///
/// As [`encode`].
pub fn encode_into<T: Serialize + ?Sized>(
    buffer: &mut Vec<u8>,
    value: &T,
    max: usize,
) -> Result<(), FrameError> {
    let start = buffer.len();
    let written = append(buffer, value, max);
    if written.is_err() {
        buffer.truncate(start);
    }
    written
}

fn append<T: Serialize + ?Sized>(buffer: &mut Vec<u8>, value: &T, max: usize) -> Result<(), FrameError> {
    let max = max.min(u32::MAX as usize);
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER_BYTES]);
    let mut body = Capped { buffer, left: max, overflow: false };
    let written = rmp_serde::encode::write(&mut body, value);
    if body.overflow {
        return Err(FrameError::TooLargeToSend { max });
    }
    written?;
    let (header, body) = buffer[start..].split_at_mut(HEADER_BYTES);
    // What is sent is what the other side accepts: a frame that it would refuse must not cost us the connection.
    shape::check(body)?;
    let len = u32::try_from(body.len()).map_err(|_| FrameError::TooLargeToSend { max })?;
    header.copy_from_slice(&len.to_be_bytes());
    Ok(())
}

/// A vector that refuses to grow by more than `left` bytes.
struct Capped<'a> {
    buffer: &'a mut Vec<u8>,
    left: usize,
    overflow: bool,
}

impl Write for Capped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.left {
            self.overflow = true;
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.left -= bytes.len();
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decodes one body, which must be exactly one value.
///
/// # Errors
///
/// The bytes are not one MessagePack value, nest too deeply, or do not fit `T`.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    shape::check(body)?;
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    // rmp-serde does not count enums towards its own limit; the shape check has counted all.
    deserializer.set_max_depth(shape::MAX_DEPTH + 2);
    Ok(T::deserialize(&mut deserializer)?)
}

/// Takes bytes in pieces of any size and gives the values of the frames in them.
///
/// After an error the decoder is broken and gives nothing more: the sender is not one that we understand.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the next frame starts in `buffer`.
    start: usize,
    max: usize,
    broken: bool,
}

impl Decoder {
    /// A decoder that refuses bodies larger than `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, max, broken: false }
    }

    /// Adds received bytes. Drain [`Decoder::next`] before adding more: what is held is then at most one unfinished
    /// frame and the bytes of one call.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete frame's value, or `None` until more bytes come.
    ///
    /// # Errors
    ///
    /// A length above the limit (as soon as it is seen, before its body is), or a body that does not decode; then,
    /// for ever, [`FrameError::Broken`].
    #[allow(clippy::should_implement_trait, reason = "each call chooses its own type")]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        if self.broken {
            return Err(FrameError::Broken);
        }
        let next = self.take();
        if next.is_err() {
            self.broken = true;
            self.buffer = Vec::new();
            self.start = 0;
        }
        next
    }

    /// Bytes received that have not been given as values yet.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some((header, rest)) = self.buffer[self.start..].split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let len = body_len(*header, self.max)?;
        let Some(body) = rest.get(..len) else {
            return Ok(None);
        };
        let value = decode(body)?;
        self.start += HEADER_BYTES + len;
        Ok(Some(value))
    }

    /// Drops what has been given, so that the buffer holds unfinished bytes alone.
    fn compact(&mut self) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(KEEP_BYTES);
        } else {
            self.buffer.drain(..self.start);
        }
        self.start = 0;
    }
}

/// The length that a header claims, if it is within `max`.
pub(crate) fn body_len(header: [u8; HEADER_BYTES], max: usize) -> Result<usize, FrameError> {
    let claimed = u32::from_be_bytes(header);
    match usize::try_from(claimed) {
        Ok(len) if len <= max => Ok(len),
        _ => Err(FrameError::TooLarge { claimed, max }),
    }
}

/// Reads one frame, blocking; `None` when the input ends cleanly between frames. Makes two reads a frame: give it a
/// [`std::io::BufReader`] where frames are many.
///
/// # Errors
///
/// As [`Decoder::next`], or the input fails or ends inside a frame.
pub fn read_frame<T: DeserializeOwned>(mut input: impl Read, max: usize) -> Result<Option<T>, FrameIoError> {
    let mut header = [0; HEADER_BYTES];
    let mut got = 0;
    while got < HEADER_BYTES {
        match input.read(&mut header[got..]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let len = body_len(header, max)?;
    // Memory follows what arrives, not what was claimed.
    let mut body = Vec::with_capacity(len.min(KEEP_BYTES));
    input.take(len as u64).read_to_end(&mut body)?;
    if body.len() < len {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(Some(decode(&body)?))
}

/// Writes one frame, blocking, in one write, and flushes it.
///
/// # Errors
///
/// As [`encode`], or the output fails.
pub fn write_frame<T: Serialize + ?Sized>(
    mut output: impl Write,
    value: &T,
    max: usize,
) -> Result<(), FrameIoError> {
    output.write_all(&encode(value, max)?)?;
    output.flush()?;
    Ok(())
}
