//! A part of a copy, as it travels.

use serde::{Deserialize, Serialize};

use super::cursor::CopyCursor;
use crate::Digest;
use crate::history::place::Place;

/// The most bytes that an encoded piece may have: none is larger than a mebibyte unless one row alone is, and no
/// message that a row is made of has more than 4 MiB.
pub const MAX_PIECE_BYTES: usize = 8 << 20;

/// A piece is closed before it has more bytes of changes than this: with its head it stays below a mebibyte.
pub(super) const FULL: usize = (1 << 20) - (4 << 10);

/// The form of the rows in pieces: that of the tables.
pub(super) const FORM: i64 = crate::history::schema::FORM.version;

/// Some of what changed in a peer's history, with the place in the copy where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyPiece {
    pub(in crate::history) from: CopyCursor,
    /// What was there before goes: the sender no longer knows all that is gone since.
    pub(in crate::history) anew: bool,
    /// Changes, one after another.
    #[serde(with = "serde_bytes")]
    pub(in crate::history) changes: Vec<u8>,
    /// In the last piece, the place that the sender had come to.
    pub(in crate::history) reached: Option<Place>,
    pub(in crate::history) next: CopyCursor,
}

/// Why a piece cannot be taken or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// It is larger than any that is sent.
    #[error("a piece of {len} bytes came; none may have more than {MAX_PIECE_BYTES}")]
    TooLarge {
        /// Its size.
        len: u64,
    },
    /// Its bytes are not those that were sent.
    #[error("a piece came damaged: its checksum does not fit; ask for it again")]
    Damaged,
    /// It was made by a release with other tables.
    #[error(
        "a piece has form {found}, and this release knows form {FORM}; copy from a controller of the same release"
    )]
    Form {
        /// Its form.
        found: i64,
    },
    /// It continues another copy, or another part of this one.
    #[error("a piece does not continue what was copied before; ask again from the place that history names")]
    OutOfPlace,
    /// It holds what no table can.
    #[error("a piece cannot be read: {0}")]
    Unreadable(String),
}

/// Bytes of the checksum at a piece's head, and of the form after it.
const CHECKSUM: usize = 32;
const FORM_BYTES: usize = 8;

impl CopyPiece {
    /// Whether the sender had no more: once it is imported, the copy has come to the sender's place.
    pub fn is_last(&self) -> bool {
        self.reached.is_some()
    }

    /// What to ask for next.
    pub fn next(&self) -> CopyCursor {
        self.next
    }

    /// As bytes, with a checksum.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; CHECKSUM];
        bytes.extend_from_slice(&FORM.to_le_bytes());
        rmp_serde::encode::write(&mut bytes, self).expect("every type of CopyPiece can be encoded");
        let checksum = Digest::of(&bytes[CHECKSUM..]);
        bytes[..CHECKSUM].copy_from_slice(checksum.as_bytes());
        bytes
    }

    /// From the bytes of [`encode`](Self::encode).
    ///
    /// # Errors
    /// What is wrong with them; all but [`CopyError::OutOfPlace`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CopyError> {
        if bytes.len() > MAX_PIECE_BYTES {
            return Err(CopyError::TooLarge { len: bytes.len() as u64 });
        }
        let (checksum, rest) = bytes.split_at_checked(CHECKSUM).ok_or(CopyError::Damaged)?;
        if Digest::of(rest).as_bytes() != checksum {
            return Err(CopyError::Damaged);
        }
        let (form, body) = rest.split_first_chunk::<FORM_BYTES>().ok_or(CopyError::Damaged)?;
        let form = i64::from_le_bytes(*form);
        if form != FORM {
            return Err(CopyError::Form { found: form });
        }
        rmp_serde::from_slice(body).map_err(|e| CopyError::Unreadable(e.to_string()))
    }
}
