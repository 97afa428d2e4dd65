//! What workers and controllers say to each other on bulk streams: blobs and logs.
//!
//! One stream carries one request and its answer. Plain values: how they travel is the transport's matter.
//! Bytes go in pieces of at most [`MAX_DATA`], so that a frame stays small whatever a blob's size.
//!
//! | request | then sent | answer |
//! |---|---|---|
//! | `HasBlobs` | | `MissingBlobs` or `Refused` |
//! | `GetBlob` | | `Found`, then `Data` until `len - offset` bytes are there; or `Missing`, or `Refused` |
//! | `PutBlob` | [`BlobData`] until `len` bytes are there | `Stored` or `Refused`, the latter at any time |
//! | `PutSmall` | | `Stored` or `Refused` |
//! | `ReadLog` | | `Data`…, then `LogEnd`; or `Missing`, or `Refused` |
//!
//! A failure after `Found` is a `Refused` in place of the next `Data`.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// The most bytes in one piece, and in one `PutSmall` over all its blobs.
pub const MAX_DATA: usize = 256 << 10;

/// The most digests in one `HasBlobs`.
pub const MAX_DIGESTS: usize = 4096;

/// Which of a run's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// What the run prints.
    Stdout,
    /// What it complains of.
    Stderr,
}

/// What one side asks of the other, the first message of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BulkRequest {
    /// Which of these blobs do you not have?
    HasBlobs {
        /// At most [`MAX_DIGESTS`].
        digests: Vec<Digest>,
    },
    /// Send a blob.
    GetBlob {
        /// Which one.
        digest: Digest,
        /// From which byte on: a broken transfer goes on where it stopped.
        offset: u64,
    },
    /// Take a blob; its bytes follow.
    PutBlob {
        /// Its digest; other bytes are refused.
        digest: Digest,
        /// Its size in bytes.
        len: u64,
    },
    /// Take several small blobs at once.
    PutSmall {
        /// Their contents.
        blobs: Vec<BlobData>,
    },
    /// Send what an attempt has printed.
    ReadLog {
        /// The attempt's fencing number.
        fence: u64,
        /// Which of its outputs.
        stream: LogStream,
        /// From which byte on.
        offset: u64,
        /// Whether to go on sending as more is printed, until the attempt ends.
        follow: bool,
    },
}

/// What the other side answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BulkReply {
    /// The blob is here; its bytes follow.
    Found {
        /// The whole blob's size in bytes, whatever the offset asked for.
        len: u64,
    },
    /// The next bytes.
    Data(BlobData),
    /// There is no such blob, attempt or log here.
    Missing,
    /// Those of the digests that are not here, in the order asked.
    MissingBlobs {
        /// The digests.
        digests: Vec<Digest>,
    },
    /// All of it is stored, and synced if the store is durable.
    Stored,
    /// The log's bytes so far are sent.
    LogEnd {
        /// How many bytes the log has.
        len: u64,
        /// Whether the attempt has ended, so that there will never be more.
        complete: bool,
    },
    /// It cannot be done.
    Refused {
        /// Why, for people.
        reason: String,
    },
}

/// A piece of a blob or of a log, or a whole small blob.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobData(#[serde(with = "serde_bytes")] pub Vec<u8>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_travel_as_bytes() {
        let data = BlobData(vec![200; 1000]);
        let packed = rmp_serde::to_vec(&data).unwrap();
        assert_eq!(packed.len(), 1003);
        assert_eq!(rmp_serde::from_slice::<BlobData>(&packed).unwrap(), data);
    }

    #[test]
    fn every_message_comes_back() {
        let digest = Digest::of(b"x");
        for request in [
            BulkRequest::HasBlobs { digests: vec![digest; MAX_DIGESTS] },
            BulkRequest::GetBlob { digest, offset: 7 },
            BulkRequest::PutBlob { digest, len: u64::MAX },
            BulkRequest::PutSmall { blobs: vec![BlobData(vec![1, 2]), BlobData::default()] },
            BulkRequest::ReadLog { fence: 1 << 60, stream: LogStream::Stderr, offset: 3, follow: true },
        ] {
            let packed = rmp_serde::to_vec(&request).unwrap();
            assert!(packed.len() < MAX_DATA + 1024);
            assert_eq!(rmp_serde::from_slice::<BulkRequest>(&packed).unwrap(), request);
        }
        for reply in [
            BulkReply::Found { len: 1 },
            BulkReply::Data(BlobData(vec![3; MAX_DATA])),
            BulkReply::Missing,
            BulkReply::MissingBlobs { digests: vec![digest] },
            BulkReply::Stored,
            BulkReply::LogEnd { len: 9, complete: true },
            BulkReply::Refused { reason: "no room".into() },
        ] {
            let packed = rmp_serde::to_vec(&reply).unwrap();
            assert!(packed.len() < MAX_DATA + 1024);
            assert_eq!(rmp_serde::from_slice::<BulkReply>(&packed).unwrap(), reply);
        }
    }
}
