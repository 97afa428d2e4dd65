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

/// The most digests in one `HasBlobs`, and the most blobs in one `PutSmall`.
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

/// A message has more in it than it may: it is refused before anything is done about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found} {what} in one message; at most {limit} are allowed")]
pub struct OverLimit {
    /// What there is too much of.
    pub what: &'static str,
    /// How much there is.
    pub found: usize,
    /// How much there may be.
    pub limit: usize,
}

impl OverLimit {
    pub(crate) fn check(what: &'static str, found: usize, limit: usize) -> Result<(), Self> {
        if found > limit { Err(Self { what, found, limit }) } else { Ok(()) }
    }
}

impl BulkRequest {
    /// Checks the limits that it states.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), OverLimit> {
        match self {
            Self::HasBlobs { digests } => OverLimit::check("digests", digests.len(), MAX_DIGESTS),
            Self::PutSmall { blobs } => {
                OverLimit::check("blobs", blobs.len(), MAX_DIGESTS)?;
                let bytes = blobs.iter().map(|BlobData(bytes)| bytes.len()).sum();
                OverLimit::check("bytes of blobs", bytes, MAX_DATA)
            }
            Self::GetBlob { .. } | Self::PutBlob { .. } | Self::ReadLog { .. } => Ok(()),
        }
    }

    /// The `PutSmall` requests that carry those of `blobs` that fit in one, and the blobs that do not: each of
    /// those is put by itself. Whoever is asked has stored all of them, synced, once all are answered.
    pub fn put_small(blobs: Vec<Vec<u8>>) -> (Vec<Self>, Vec<Vec<u8>>) {
        let (small, large): (Vec<_>, Vec<_>) = blobs.into_iter().partition(|blob| blob.len() <= MAX_DATA);
        let mut requests = Vec::new();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for blob in small {
            if batch.len() == MAX_DIGESTS || bytes + blob.len() > MAX_DATA {
                requests.push(Self::PutSmall { blobs: std::mem::take(&mut batch) });
                bytes = 0;
            }
            bytes += blob.len();
            batch.push(BlobData(blob));
        }
        if !batch.is_empty() {
            requests.push(Self::PutSmall { blobs: batch });
        }
        (requests, large)
    }
}

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

    #[test]
    fn many_small_blobs_go_in_few_requests_within_the_limits() {
        let sizes = [0, 1, MAX_DATA, MAX_DATA + 1, 100_000, 100_000, 100_000, 5, 3 * MAX_DATA];
        let mut blobs: Vec<Vec<u8>> = sizes.iter().map(|size| vec![7; *size]).collect();
        blobs.extend(vec![Vec::new(); 2 * MAX_DIGESTS]);
        let (requests, large) = BulkRequest::put_small(blobs);
        assert_eq!(large.iter().map(Vec::len).collect::<Vec<_>>(), [MAX_DATA + 1, 3 * MAX_DATA]);
        let mut carried = 0;
        for request in &requests {
            request.check().unwrap();
            let BulkRequest::PutSmall { blobs } = request else { panic!("{request:?}") };
            carried += blobs.len();
        }
        assert_eq!((carried, requests.len()), (sizes.len() - 2 + 2 * MAX_DIGESTS, 6));
    }

    #[test]
    fn too_much_in_a_request_is_refused() {
        let digest = Digest::of(b"x");
        for (request, what) in [
            (BulkRequest::HasBlobs { digests: vec![digest; MAX_DIGESTS + 1] }, "4097 digests"),
            (BulkRequest::PutSmall { blobs: vec![BlobData::default(); MAX_DIGESTS + 1] }, "4097 blobs"),
            (
                BulkRequest::PutSmall { blobs: vec![BlobData(vec![0; MAX_DATA]), BlobData(vec![0])] },
                "262145 bytes",
            ),
        ] {
            let error = request.check().unwrap_err().to_string();
            assert!(error.starts_with(what), "{error}");
        }
    }
}
