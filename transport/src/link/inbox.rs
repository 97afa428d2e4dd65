//! What arrives on one stream. Nothing is read ahead of a receiver beyond what it takes to complete a frame: the
//! stream's window fills, and the sender waits.

use quinn::RecvStream;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::{
    close::CloseReason,
    error::{FrameError, RecvError},
    frame::Decoder,
};

/// Pieces of a stream taken at once: enough to spare locking for each packet's.
const PIECES: usize = 32;

pub(super) struct Inbox(Mutex<Reader>);

struct Reader {
    stream: RecvStream,
    decoder: Decoder,
}

impl Inbox {
    pub(super) fn new(stream: RecvStream, max_frame: usize) -> Self {
        Self(Mutex::new(Reader { stream, decoder: Decoder::new(max_frame) }))
    }

    /// The next message. Loses nothing when dropped before it is done.
    pub(super) async fn recv<T: DeserializeOwned>(&self) -> Result<T, RecvError> {
        self.0.lock().await.next().await
    }

    /// At least one message, and those that are there already, up to `max` in all.
    pub(super) async fn recv_many<T: DeserializeOwned>(
        &self,
        into: &mut Vec<T>,
        max: usize,
    ) -> Result<usize, RecvError> {
        let mut reader = self.0.lock().await;
        into.push(reader.next().await?);
        let mut count = 1;
        while count < max
            && let Some(value) = reader.decoder.next()?
        {
            into.push(value);
            count += 1;
        }
        Ok(count)
    }
}

impl Reader {
    async fn next<T: DeserializeOwned>(&mut self) -> Result<T, RecvError> {
        loop {
            if let Some(value) = self.decoder.next()? {
                return Ok(value);
            }
            let mut pieces: [_; PIECES] = std::array::from_fn(|_| Default::default());
            match self.stream.read_chunks(&mut pieces).await {
                Ok(Some(count)) => pieces.iter().take(count).for_each(|piece| self.decoder.push(piece)),
                Ok(None) if self.decoder.pending() > 0 => return Err(FrameError::CutOff.into()),
                Ok(None) => return Err(RecvError::Finished),
                Err(quinn::ReadError::ConnectionLost(error)) => return Err(RecvError::Closed(error.into())),
                Err(error) => {
                    let reason = format!("it broke off a message stream: {error}");
                    return Err(RecvError::Closed(CloseReason::Protocol { reason }));
                }
            }
        }
    }
}
