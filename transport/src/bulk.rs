//! Bulk streams: one for each request, with messages (framed) and bodies (raw bytes of a length told before) in
//! either direction. A stream that is slow holds up neither other bulk streams nor messages.

use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use crate::{
    error::BulkError,
    frame::{self, HEADER_BYTES, KEEP_BYTES},
};

mod body;

pub use body::{BodyReader, BodyWriter};

/// Bytes copied at a time between a body and a file.
const COPY_BYTES: usize = 256 * 1024;
/// The code of a stream that its side gave up.
const ABANDONED: quinn::VarInt = quinn::VarInt::from_u32(1);

/// Both directions of a bulk stream; they can be used at the same time.
#[derive(Debug)]
pub struct BulkStream {
    /// Towards the peer.
    pub send: BulkSend,
    /// From the peer.
    pub recv: BulkRecv,
}

impl BulkStream {
    fn new((send, recv): (SendStream, RecvStream), max_frame: usize) -> Self {
        Self {
            send: BulkSend { stream: send, max_frame, finished: false },
            recv: BulkRecv { stream: recv, max_frame },
        }
    }
}

/// The sending half. Unless [`BulkSend::finish`] was called, dropping it tells the peer that what it has is not all.
#[derive(Debug)]
pub struct BulkSend {
    stream: SendStream,
    max_frame: usize,
    finished: bool,
}

impl BulkSend {
    /// Sends one message.
    ///
    /// # Errors
    ///
    /// It is too large, the peer has given up the stream, or the link has closed.
    pub async fn message<T: Serialize + ?Sized>(&mut self, message: &T) -> Result<(), BulkError> {
        let frame = frame::encode(message, self.max_frame)?;
        self.stream.write_all(&frame).await.map_err(BulkError::write)
    }

    /// Begins a body of exactly `len` bytes, to be written to what is returned.
    ///
    /// # Errors
    ///
    /// The peer has given up the stream, or the link has closed.
    pub async fn body(&mut self, len: u64) -> Result<BodyWriter<'_>, BulkError> {
        self.stream.write_all(&len.to_be_bytes()).await.map_err(BulkError::write)?;
        Ok(BodyWriter::new(&mut self.stream, len))
    }

    /// Sends `len` bytes of `source` as a body.
    ///
    /// # Errors
    ///
    /// `source` fails or has fewer bytes, and then the stream is given up; or as [`BulkSend::body`].
    pub async fn copy_body(&mut self, source: impl AsyncRead, len: u64) -> Result<(), BulkError> {
        let mut source = std::pin::pin!(source.take(len));
        let mut writer = self.body(len).await?;
        let mut buffer = buffer_for(len);
        let mut left = len;
        while left > 0 {
            match source.read(&mut buffer).await.map_err(BulkError::Local)? {
                0 => return Err(BulkError::Short { missing: left }),
                count => {
                    writer.write_all(&buffer[..count]).await.map_err(BulkError::remote)?;
                    left -= count as u64;
                }
            }
        }
        Ok(())
    }

    /// Says that nothing more will come. What was sent goes on its way after that; see [`BulkSend::delivered`].
    ///
    /// # Errors
    ///
    /// The peer has given up the stream, or the link has closed.
    pub fn finish(&mut self) -> Result<(), BulkError> {
        self.stream.finish().map_err(|_| BulkError::Abandoned)?;
        self.finished = true;
        Ok(())
    }

    /// Finishes, and waits until the peer's side has received all.
    ///
    /// # Errors
    ///
    /// As [`BulkSend::finish`].
    pub async fn delivered(&mut self) -> Result<(), BulkError> {
        if !self.finished {
            self.finish()?;
        }
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(BulkError::Abandoned),
            Err(quinn::StoppedError::ConnectionLost(error)) => Err(BulkError::Closed(error.into())),
            Err(quinn::StoppedError::ZeroRttRejected) => Err(BulkError::Abandoned),
        }
    }
}

impl BulkSend {
    /// Returns once nobody takes any more of it: the peer has given up the stream, or the link has closed. Also once all
    /// of a stream that was finished has arrived.
    pub fn left(&self) -> impl Future<Output = ()> + Send + 'static {
        let stopped = self.stream.stopped();
        // Why does not matter: what is sent finds out.
        async move { drop(stopped.await) }
    }
}

impl Drop for BulkSend {
    fn drop(&mut self) {
        if !self.finished {
            // Fails only on a stream that has ended anyway.
            let _ended = self.stream.reset(ABANDONED);
        }
    }
}

/// The receiving half. Dropping it tells the peer to stop sending.
#[derive(Debug)]
pub struct BulkRecv {
    stream: RecvStream,
    max_frame: usize,
}

impl BulkRecv {
    /// The next message.
    ///
    /// # Errors
    ///
    /// It is too large or of another type, the peer has finished or given up the stream, or the link has closed.
    pub async fn message<T: DeserializeOwned>(&mut self) -> Result<T, BulkError> {
        Ok(frame::decode(&read_body(&mut self.stream, self.max_frame).await?)?)
    }

    /// Begins to read a body. A body longer than `limit` is refused before any of it is read.
    ///
    /// # Errors
    ///
    /// It is longer, the peer has finished or given up the stream, or the link has closed.
    pub async fn body(&mut self, limit: u64) -> Result<BodyReader<'_>, BulkError> {
        let mut len = [0; 8];
        self.stream.read_exact(&mut len).await.map_err(BulkError::read)?;
        let len = u64::from_be_bytes(len);
        if len > limit {
            return Err(BulkError::TooLarge { len, limit });
        }
        Ok(BodyReader::new(&mut self.stream, len))
    }

    /// Copies a body of at most `limit` bytes to `sink`; returns its length.
    ///
    /// # Errors
    ///
    /// `sink` fails, the peer breaks off, or as [`BulkRecv::body`].
    pub async fn copy_body(&mut self, sink: impl AsyncWrite, limit: u64) -> Result<u64, BulkError> {
        let mut sink = std::pin::pin!(sink);
        let mut reader = self.body(limit).await?;
        let len = reader.len();
        let mut buffer = buffer_for(len);
        while !reader.is_empty() {
            let count = reader.read(&mut buffer).await.map_err(BulkError::remote)?;
            sink.write_all(&buffer[..count]).await.map_err(BulkError::Local)?;
        }
        sink.flush().await.map_err(BulkError::Local)?;
        Ok(len)
    }
}

fn buffer_for(len: u64) -> Vec<u8> {
    vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(COPY_BYTES)]
}

/// Reads one frame's body; memory follows what arrives, not what is claimed.
async fn read_body(stream: &mut RecvStream, max: usize) -> Result<Vec<u8>, BulkError> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await.map_err(BulkError::read)?;
    let len = frame::body_len(header, max)?;
    let mut body = Vec::new();
    while body.len() < len {
        let have = body.len();
        body.resize(len.min(have + have.max(KEEP_BYTES)), 0);
        stream.read_exact(&mut body[have..]).await.map_err(BulkError::read)?;
    }
    Ok(body)
}

pub(crate) async fn open<R: Serialize + ?Sized>(
    connection: &Connection,
    request: &R,
    max_frame: usize,
) -> Result<BulkStream, BulkError> {
    let frame = frame::encode(request, max_frame)?;
    let stream = connection.open_bi().await.map_err(|error| BulkError::Closed(error.into()))?;
    let mut stream = BulkStream::new(stream, max_frame);
    stream.send.stream.write_all(&frame).await.map_err(BulkError::write)?;
    Ok(stream)
}

/// A stream that the peer has opened, and its request as bytes.
pub(crate) struct Incoming {
    request: Vec<u8>,
    stream: BulkStream,
}

impl Incoming {
    pub(crate) fn decode<R: DeserializeOwned>(self) -> Result<(R, BulkStream), BulkError> {
        Ok((frame::decode(&self.request)?, self.stream))
    }
}

/// Takes the streams that the peer opens, and reads their requests side by side, until the connection ends.
pub(crate) async fn accept_all(
    connection: Connection,
    arrived: mpsc::Sender<Result<Incoming, BulkError>>,
    max_frame: usize,
    deadline: Duration,
) {
    while let Ok(stream) = connection.accept_bi().await {
        let arrived = arrived.clone();
        tokio::spawn(async move {
            let mut stream = BulkStream::new(stream, max_frame);
            let request = tokio::time::timeout(deadline, read_body(&mut stream.recv.stream, max_frame)).await;
            let incoming = match request {
                Ok(Ok(request)) => Ok(Incoming { request, stream }),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(BulkError::Deadline { after: deadline }),
            };
            // Nobody to tell once the link is dropped; its connection is closed then.
            let _dropped = arrived.send(incoming).await;
        });
    }
}
