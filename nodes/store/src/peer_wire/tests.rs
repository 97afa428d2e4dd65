//! What travels between controllers comes back as it was, within a frame.

use super::*;
use crate::history::CopyCursor;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// The transport's largest frame on a bulk stream.
const FRAME: usize = 1 << 20;

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let packed = rmp_serde::to_vec(value).unwrap();
    assert!(packed.len() <= FRAME, "{} bytes", packed.len());
    assert_eq!(&rmp_serde::from_slice::<T>(&packed).unwrap(), value);
}

fn headers(count: usize, bytes: usize) -> Vec<HttpHeader> {
    (0..count).map(|i| (format!("h{i:05}"), BlobData(vec![0xff; bytes]))).collect()
}

#[test]
fn every_message_comes_back() {
    let digest = Digest::of(b"x");
    let message = BlobData(vec![200; MAX_SNAPSHOT_MESSAGE]);
    let http = |headers| {
        PeerRequest::Http(HttpRequest {
            method: "POST".into(),
            path_and_query: "/api/v1/runs?x=1".into(),
            headers,
        })
    };
    for request in [
        PeerRequest::Blobs(BulkRequest::GetBlob { digest, offset: 7 }),
        PeerRequest::ListBlobs { after: None, limit: 1 },
        PeerRequest::ListBlobs { after: Some(digest), limit: MAX_LISTED },
        PeerRequest::History { cursor: CopyCursor::start() },
        PeerRequest::Snapshot { message, len: MAX_SNAPSHOT_BYTES, digest },
        http(headers(MAX_HTTP_HEADERS, 1000)),
        http(Vec::new()),
    ] {
        request.check().unwrap();
        comes_back(&request);
    }
    let blobs = vec![ListedBlob { digest, len: u64::MAX }; MAX_LISTED as usize];
    for reply in [
        PeerReply::Blobs { blobs, more: true },
        PeerReply::Piece { len: MAX_PIECE_BYTES as u64 },
        PeerReply::Behind,
        PeerReply::SendFrom { offset: 1 << 40 },
        PeerReply::Stored,
        PeerReply::Head(HttpResponse { status: 200, headers: headers(3, 20) }),
        PeerReply::NotLeading,
        PeerReply::Refused { reason: "no room".into() },
    ] {
        reply.check().unwrap();
        comes_back(&reply);
    }
    for part in [
        HttpPart::Data(BlobData(vec![1; MAX_DATA])),
        HttpPart::End,
        HttpPart::Broken { reason: "gone".into() },
    ] {
        part.check().unwrap();
        comes_back(&part);
    }
}

#[test]
fn too_much_is_refused() {
    let digest = Digest::of(b"x");
    let http = |path: usize, headers| {
        let path_and_query = "/".repeat(path);
        PeerRequest::Http(HttpRequest { method: "GET".into(), path_and_query, headers })
    };
    let snapshot = |bytes, len| PeerRequest::Snapshot { message: BlobData(vec![0; bytes]), len, digest };
    for request in [
        PeerRequest::Blobs(BulkRequest::HasBlobs { digests: vec![digest; 4097] }),
        PeerRequest::ListBlobs { after: None, limit: MAX_LISTED + 1 },
        snapshot(MAX_SNAPSHOT_MESSAGE + 1, 0),
        snapshot(0, MAX_SNAPSHOT_BYTES + 1),
        http(MAX_HTTP_HEAD, Vec::new()),
        http(1, headers(MAX_HTTP_HEADERS + 1, 1)),
        http(1, headers(2, MAX_HTTP_HEAD / 2)),
    ] {
        request.check().unwrap_err();
    }
    PeerReply::Piece { len: MAX_PIECE_BYTES as u64 + 1 }.check().unwrap_err();
    let blobs = vec![ListedBlob { digest, len: 1 }; MAX_LISTED as usize + 1];
    PeerReply::Blobs { blobs, more: false }.check().unwrap_err();
    let head = HttpResponse { status: 200, headers: headers(MAX_HTTP_HEADERS + 1, 1) };
    PeerReply::Head(head).check().unwrap_err();
    HttpPart::Data(BlobData(vec![0; MAX_DATA + 1])).check().unwrap_err();
}
