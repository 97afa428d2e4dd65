//! What controllers ask of each other on bulk streams: blobs, history, snapshots of the state, and requests of
//! clients that another one is to answer.
//!
//! One stream carries one request and its answer. Plain values: how they travel is the transport's matter.
//! Bytes go in [`BlobData`] pieces of at most [`MAX_DATA`] here as between workers and controllers; a piece of
//! history, made whole before it is sent, goes as one body of the length told before.
//!
//! | request | then sent | answer |
//! |---|---|---|
//! | `Blobs` | as [`wire`](crate::wire) says | a [`BulkReply`](crate::wire::BulkReply), as there |
//! | `ListBlobs` | | `Blobs` or `Refused` |
//! | `History` | | `Piece` and a body, again and again until the last piece; `Behind` or `Refused` in place of a `Piece` |
//! | `Snapshot` | after `SendFrom`, [`BlobData`] until the image's end | `SendFrom`, then `Stored`; or `Refused`, at any time |
//! | `Http` | [`HttpPart`]s up to an `End` | `Head`, then [`HttpPart`]s up to an `End`; or `NotLeading`, or `Refused` |

use serde::{Deserialize, Serialize};

use crate::wire::{BlobData, BulkRequest, MAX_DATA, OverLimit};
use crate::{CopyCursor, Digest, MAX_PIECE_BYTES};

/// The most blobs in one list: with their sizes they stay well below a frame.
pub const MAX_LISTED: u32 = 4096;

/// The most bytes of the consensus message that comes with a snapshot: it has no entries, only the members.
pub const MAX_SNAPSHOT_MESSAGE: usize = 64 << 10;

/// The largest snapshot of the state that is taken, in bytes: more than such a state could need, and less than
/// what would fill any disk before it is noticed.
pub const MAX_SNAPSHOT_BYTES: u64 = 64 << 30;

/// The most headers of a client's request or of its answer; servers in wide use take about a hundred.
pub const MAX_HTTP_HEADERS: usize = 128;

/// The most bytes of a head: method, path and all headers. HTTP servers refuse heads beyond this.
pub const MAX_HTTP_HEAD: usize = 128 << 10;

/// What one controller asks of another, the first message of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerRequest {
    /// Something about blobs, as workers ask it. Of a controller `ReadLog` is refused. A blob that is not
    /// among the missing ones is held: no sweep takes it for as long as one that was put.
    Blobs(BulkRequest),
    /// Which blobs do you have?
    ListBlobs {
        /// Those whose digests come after this one; from the first on when absent.
        after: Option<Digest>,
        /// At most so many, and never more than [`MAX_LISTED`].
        limit: u32,
    },
    /// Send what my run history lacks.
    History {
        /// How far it has come: `History::copy_cursor`.
        cursor: CopyCursor,
    },
    /// Take a snapshot of the state.
    Snapshot {
        /// The consensus message that says so, encoded; at most [`MAX_SNAPSHOT_MESSAGE`].
        message: BlobData,
        /// The image's size in bytes; at most [`MAX_SNAPSHOT_BYTES`].
        len: u64,
        /// The image's digest. A transfer of the same one that broke goes on where it stopped.
        digest: Digest,
    },
    /// Answer a client's request in my place; its body follows. It is not passed on a second time.
    Http(HttpRequest),
}

/// The head of a client's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Its method.
    pub method: String,
    /// Path and query as the client sent them.
    pub path_and_query: String,
    /// Names and values, in order.
    pub headers: Vec<HttpHeader>,
}

/// The name and the value of a header.
pub type HttpHeader = (String, BlobData);

/// The head of an answer to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Names and values, in order.
    pub headers: Vec<HttpHeader>,
}

/// Part of a body, either way. It is sent when there is something, however little, so that events reach a
/// client when they happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpPart {
    /// The next bytes, at most [`MAX_DATA`].
    Data(BlobData),
    /// The body is whole.
    End,
    /// The body cannot be sent to its end: what came of it must not be taken for all of it.
    Broken {
        /// Why, for people.
        reason: String,
    },
}

/// What the other controller answers, except to `Blobs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerReply {
    /// To `ListBlobs`.
    Blobs {
        /// In the order of their digests.
        blobs: Vec<ListedBlob>,
        /// Whether there may be more after the last one.
        more: bool,
    },
    /// To `History`: a piece, which follows as a body; `CopyPiece::decode` reads it.
    Piece {
        /// How many bytes; at most [`MAX_PIECE_BYTES`].
        len: u64,
    },
    /// To `History`: this controller's own history has not come far enough; ask another one, or later.
    Behind,
    /// To `Snapshot`: send the image from this byte on.
    SendFrom {
        /// At most the image's size; what comes before is here.
        offset: u64,
    },
    /// To `Snapshot`: it is durable.
    Stored,
    /// To `Http`: the answer's head; its body follows.
    Head(HttpResponse),
    /// To `Http`: this controller does not lead; nothing was done.
    NotLeading,
    /// It cannot be done.
    Refused {
        /// Why, for people.
        reason: String,
    },
}

/// One blob of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedBlob {
    /// Its name.
    pub digest: Digest,
    /// Its size in bytes.
    pub len: u64,
}

impl PeerRequest {
    /// Checks the limits that it states.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), OverLimit> {
        match self {
            Self::Blobs(request) => request.check(),
            Self::ListBlobs { limit, .. } => {
                OverLimit::check("blobs asked for", *limit as usize, MAX_LISTED as usize)
            }
            Self::History { .. } => Ok(()),
            Self::Snapshot { message, len, .. } => {
                OverLimit::check("bytes of message", message.0.len(), MAX_SNAPSHOT_MESSAGE)?;
                check_len("bytes of snapshot", *len, MAX_SNAPSHOT_BYTES)
            }
            Self::Http(HttpRequest { method, path_and_query, headers }) => {
                check_head(method.len() + path_and_query.len(), headers)
            }
        }
    }
}

impl PeerReply {
    /// Checks the limits that it states.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), OverLimit> {
        match self {
            Self::Blobs { blobs, .. } => OverLimit::check("blobs", blobs.len(), MAX_LISTED as usize),
            Self::Piece { len } => check_len("bytes of history", *len, MAX_PIECE_BYTES as u64),
            Self::Head(HttpResponse { headers, .. }) => check_head(0, headers),
            Self::Behind | Self::SendFrom { .. } | Self::Stored | Self::NotLeading | Self::Refused { .. } => {
                Ok(())
            }
        }
    }
}

impl HttpPart {
    /// Checks the limit that it states.
    ///
    /// # Errors
    /// When it does not hold.
    pub fn check(&self) -> Result<(), OverLimit> {
        match self {
            Self::Data(BlobData(bytes)) => OverLimit::check("bytes of body", bytes.len(), MAX_DATA),
            Self::End | Self::Broken { .. } => Ok(()),
        }
    }
}

fn check_head(before: usize, headers: &[HttpHeader]) -> Result<(), OverLimit> {
    OverLimit::check("headers", headers.len(), MAX_HTTP_HEADERS)?;
    let bytes = headers.iter().map(|(name, BlobData(value))| name.len() + value.len()).sum::<usize>();
    OverLimit::check("bytes of head", before + bytes, MAX_HTTP_HEAD)
}

fn check_len(what: &'static str, found: u64, limit: u64) -> Result<(), OverLimit> {
    let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    OverLimit::check(what, size(found), size(limit))
}

#[cfg(test)]
mod tests;
