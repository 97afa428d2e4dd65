//! The raw bytes of a body, counted: neither side can read or write past the length that was told.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use quinn::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Takes the bytes of a body. Shutting it down fails while bytes are missing, and leaves the stream open.
#[derive(Debug)]
pub struct BodyWriter<'a> {
    stream: &'a mut SendStream,
    left: u64,
}

impl<'a> BodyWriter<'a> {
    pub(super) fn new(stream: &'a mut SendStream, left: u64) -> Self {
        Self { stream, left }
    }

    /// Bytes still to be written.
    pub fn left(&self) -> u64 {
        self.left
    }
}

impl AsyncWrite for BodyWriter<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.len() as u64 > self.left {
            let error =
                format!("{} bytes more than the body was said to have", bytes.len() as u64 - self.left);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, error)));
        }
        let written = std::task::ready!(Pin::new(&mut *self.stream).poll_write(cx, bytes))?;
        self.left -= written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.left {
            0 => Ok(()),
            left => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{left} bytes of the body are missing"),
            )),
        })
    }
}

/// Gives the bytes of a body, then ends. A peer that breaks off is an error, never an early end.
#[derive(Debug)]
pub struct BodyReader<'a> {
    stream: &'a mut RecvStream,
    left: u64,
}

impl<'a> BodyReader<'a> {
    pub(super) fn new(stream: &'a mut RecvStream, left: u64) -> Self {
        Self { stream, left }
    }

    /// Bytes still to be read; before the first read, the length of the body.
    pub fn len(&self) -> u64 {
        self.left
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl AsyncRead for BodyReader<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.remaining());
        if room == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut part = ReadBuf::new(into.initialize_unfilled_to(room));
        std::task::ready!(AsyncRead::poll_read(Pin::new(&mut *self.stream), cx, &mut part))?;
        let count = part.filled().len();
        if count == 0 {
            let error = format!("the peer ended {} bytes before the end of the body", self.left);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)));
        }
        into.advance(count);
        self.left -= count as u64;
        Poll::Ready(Ok(()))
    }
}
