//! One error enum per operation.

use std::io;

use crate::frame::shape::ShapeError;

/// A frame could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A received length is above the limit; nothing was allocated for it.
    #[error(
        "a frame claims {claimed} bytes, the limit is {max}: the peer is not one of this cluster, or is of a newer version"
    )]
    TooLarge {
        /// The length in the header.
        claimed: u32,
        /// The limit, in bytes.
        max: usize,
    },
    /// The value to send is above the limit.
    #[error(
        "the message is larger than a frame's limit of {max} bytes: send it in parts, or over a bulk stream"
    )]
    TooLargeToSend {
        /// The limit, in bytes.
        max: usize,
    },
    /// The body is not one safe MessagePack value.
    #[error("a frame's body {0}")]
    Shape(#[from] ShapeError),
    /// The body does not fit the expected type.
    #[error("a frame does not decode as the expected message: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
    /// The value has no MessagePack form.
    #[error("the message cannot be encoded: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// An earlier frame was refused; the rest of the stream is not read.
    #[error("an earlier frame of this stream was refused")]
    Broken,
}

/// A frame could not be read from or written to a blocking stream.
#[derive(Debug, thiserror::Error)]
pub enum FrameIoError {
    /// The frame itself is at fault.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The stream failed or ended inside a frame.
    #[error("the stream failed: {0}")]
    Io(#[from] io::Error),
}
