//! One error enum per operation.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    close::CloseReason,
    frame::shape::ShapeError,
    tls::{PeerId, Role},
};

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
    /// The stream ended inside a frame.
    #[error("the stream ended in the middle of a frame")]
    CutOff,
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

/// An identity or an authority could not be made, read, written or accepted.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A cluster's or machine's name that cannot stand in a certificate.
    #[error("`{name}` is not a valid name: use 1 to 128 letters, digits, `.`, `_` or `-`")]
    Name {
        /// The name, shortened.
        name: String,
    },
    /// A file of certificates or keys cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key that others may read is no secret.
    #[error("{}: others than its owner can read this key (mode {mode:o}); run `chmod 600 {}`, and replace the key if they may have", path.display(), path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A certificate does not say what one of a cluster must say.
    #[error("not a usable certificate: {reason}")]
    Certificate {
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate of another cluster.
    #[error("the certificate is for {identity}, which is not of the cluster `{cluster}`")]
    OtherCluster {
        /// Whom it names.
        identity: PeerId,
        /// The cluster that was expected.
        cluster: String,
    },
    /// A certificate of a role that is not accepted here.
    #[error("the certificate is for {identity}, where only the roles {expected:?} are accepted")]
    OtherRole {
        /// Whom it names.
        identity: PeerId,
        /// The roles accepted.
        expected: Vec<Role>,
    },
    /// A certificate or key could not be made or read.
    #[error("certificate or key: {0}")]
    Rcgen(#[from] rcgen::Error),
    /// rustls takes the certificate or key for unusable.
    #[error("certificate or key: {0}")]
    Rustls(#[from] rustls::Error),
}

impl TlsError {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

/// A value of a [`crate::config::Config`] that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` must be {must_be}")]
pub struct ConfigError {
    /// Which.
    pub key: &'static str,
    /// What it must be.
    pub must_be: &'static str,
}

/// An endpoint could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error("UDP port {} of {} is in use, perhaps by another Tidegate process: stop it, or choose another address", address.port(), address.ip())]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The port needs a privilege.
    #[error("not allowed to use UDP port {} of {}: choose a port above 1023, or grant the privilege", address.port(), address.ip())]
    NotAllowed {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address is not one of this machine's.
    #[error("{} is not an address of this machine: choose one that is, or 0.0.0.0 for all", address.ip())]
    NotHere {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The system refuses for another reason.
    #[error("cannot bind UDP {address}: {source}")]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The identity does not fit the cluster.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The configuration cannot work.
    #[error("transport configuration: {0}")]
    Config(#[from] ConfigError),
}

/// The version handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    /// The clusters differ.
    #[error("the peer says it is of the cluster `{theirs}`, this is `{ours}`")]
    Cluster {
        /// Our cluster.
        ours: String,
        /// What the peer says.
        theirs: String,
    },
    /// There is no common version.
    #[error("no common protocol version: one side speaks {ours}, the other {theirs}; upgrade the older one")]
    Version {
        /// Our versions and build.
        ours: String,
        /// The peer's.
        theirs: String,
    },
    /// The peer's hello is not one.
    #[error("the peer's hello: {0}")]
    Frame(#[from] FrameError),
    /// The peer opened other streams than it must.
    #[error("the peer opened {what}")]
    Streams {
        /// What it opened.
        what: String,
    },
    /// The peer ended a stream of the handshake.
    #[error("the peer broke off the handshake")]
    Ended,
    /// It took too long.
    #[error("the peer did not finish the handshake within {after:?}")]
    Deadline {
        /// The time allowed.
        after: Duration,
    },
    /// The connection ended; the peer's reason is in it when it refused us.
    #[error("{0}")]
    Closed(CloseReason),
}

impl HelloError {
    pub(crate) fn lost(error: quinn::ConnectionError) -> Self {
        Self::Closed(error.into())
    }

    pub(crate) fn write(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::ConnectionLost(error) => Self::lost(error),
            _ => Self::Ended,
        }
    }

    pub(crate) fn read(error: quinn::ReadExactError) -> Self {
        match error {
            quinn::ReadExactError::ReadError(quinn::ReadError::ConnectionLost(error)) => Self::lost(error),
            _ => Self::Ended,
        }
    }
}

/// A peer could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address cannot be dialled from this endpoint.
    #[error("cannot dial {address}: {reason}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// Nothing answered.
    #[error(
        "{address} did not answer within {after:?}: is a peer running there, and does the network let UDP through?"
    )]
    NoAnswer {
        /// The address.
        address: SocketAddr,
        /// How long was waited.
        after: Duration,
    },
    /// Certificates did not satisfy, or the connection broke.
    #[error("{address}: {reason}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// Which side refused, and why.
        reason: CloseReason,
    },
    /// The version handshake failed.
    #[error("{address}: {source}")]
    Hello {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: HelloError,
    },
    /// The certificate was accepted but does not name a peer.
    #[error("{address}: {source}")]
    Certificate {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: TlsError,
    },
    /// This endpoint is closed.
    #[error("the endpoint is closed")]
    EndpointClosed,
}

/// A peer that came was not let in. The endpoint goes on.
#[derive(Debug, thiserror::Error)]
#[error("connection from {address}: {source}")]
pub struct AcceptError {
    /// Where it came from.
    pub address: SocketAddr,
    /// Why it was not let in.
    #[source]
    pub source: HelloError,
}

/// A message was not taken for sending.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The message itself is at fault; the link goes on.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The queue is full ([`crate::link::Link::try_send`] alone says so).
    #[error("the peer is slower than what is sent to it: the queue is full")]
    Full,
    /// The link has closed.
    #[error("the link has closed: {0}")]
    Closed(CloseReason),
}

/// No message can be received.
#[derive(Debug, thiserror::Error)]
pub enum RecvError {
    /// What was received is no message; the link is closed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer shuts the link down in order, and has nothing more to say.
    #[error("the peer is shutting the link down")]
    Finished,
    /// The link has closed.
    #[error("the link has closed: {0}")]
    Closed(CloseReason),
}

/// A bulk stream failed; unless [`BulkError::Closed`], the link goes on.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// A message is too large or not of the type expected.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A body is longer than the reader allows.
    #[error("the body has {len} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Its length.
        len: u64,
        /// The reader's limit.
        limit: u64,
    },
    /// The source of a body ended early.
    #[error("the source ended {missing} bytes before the length that was told")]
    Short {
        /// How many bytes are missing.
        missing: u64,
    },
    /// The peer finished the stream where more was expected.
    #[error("the peer finished the stream where more was expected")]
    Ended,
    /// The peer gave up the stream.
    #[error("the peer gave up the stream")]
    Abandoned,
    /// A request did not arrive in time.
    #[error("the peer did not send its request within {after:?}")]
    Deadline {
        /// The time allowed.
        after: Duration,
    },
    /// The source or the sink on this side failed.
    #[error("reading or writing on this side: {0}")]
    Local(io::Error),
    /// The stream failed while a body was under way.
    #[error("the stream failed: {0}")]
    Stream(io::Error),
    /// The link has closed.
    #[error("the link has closed: {0}")]
    Closed(CloseReason),
}

impl BulkError {
    pub(crate) fn write(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::ConnectionLost(error) => Self::Closed(error.into()),
            _ => Self::Abandoned,
        }
    }

    pub(crate) fn read(error: quinn::ReadExactError) -> Self {
        match error {
            quinn::ReadExactError::FinishedEarly(_) => Self::Ended,
            quinn::ReadExactError::ReadError(quinn::ReadError::ConnectionLost(error)) => {
                Self::Closed(error.into())
            }
            quinn::ReadExactError::ReadError(_) => Self::Abandoned,
        }
    }

    /// From the errors that quinn's streams give through tokio's traits.
    pub(crate) fn remote(error: io::Error) -> Self {
        Self::Stream(error)
    }
}
