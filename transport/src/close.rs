//! Why a connection ended.

use std::fmt;

use quinn::{ConnectionError, VarInt};

/// What the side that closes tells the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// The link was dropped: there is nothing more to say.
    Done,
    /// The process stops.
    Shutdown,
    /// The two sides have no version of the protocol in common.
    Version,
    /// The peer belongs to another cluster.
    Cluster,
    /// A frame or a stream broke the rules.
    Violation,
    /// The handshake took too long.
    Handshake,
    /// A newer link with the same peer takes this one's place.
    Replaced,
    /// The peer is no longer of this cluster.
    Removed,
    /// A code of a newer build.
    Other(u32),
}

impl CloseCode {
    pub(crate) fn to_wire(self) -> VarInt {
        VarInt::from_u32(match self {
            Self::Done => 0,
            Self::Shutdown => 1,
            Self::Version => 2,
            Self::Cluster => 3,
            Self::Violation => 4,
            Self::Handshake => 5,
            Self::Replaced => 6,
            Self::Removed => 7,
            Self::Other(code) => code,
        })
    }

    fn from_wire(code: VarInt) -> Self {
        match u32::try_from(code.into_inner()).unwrap_or(u32::MAX) {
            0 => Self::Done,
            1 => Self::Shutdown,
            2 => Self::Version,
            3 => Self::Cluster,
            4 => Self::Violation,
            5 => Self::Handshake,
            6 => Self::Replaced,
            7 => Self::Removed,
            code => Self::Other(code),
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// This side closed it.
    Here {
        /// As what.
        code: CloseCode,
        /// The words that went with it.
        reason: String,
    },
    /// The peer closed it.
    Peer {
        /// As what.
        code: CloseCode,
        /// Its words.
        reason: String,
    },
    /// Nothing was heard for the idle timeout.
    TimedOut,
    /// The peer has restarted and no longer knows the connection.
    Reset,
    /// This side does not accept the peer's certificate.
    Untrusted {
        /// Why.
        reason: String,
    },
    /// The peer does not accept this side's certificate.
    Rejected {
        /// Its words.
        reason: String,
    },
    /// The peer does not speak our QUIC.
    Protocol {
        /// What it did.
        reason: String,
    },
}

/// What to look at when certificates do not satisfy.
const HINT: &str =
    "both need unexpired certificates of the same cluster, each for its role; check the clocks too";

impl fmt::Display for CloseReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here { code, reason } => write!(out, "closed here ({code:?}): {reason}"),
            Self::Peer { code, reason } => write!(out, "closed by the peer ({code:?}): {reason}"),
            Self::TimedOut => out.write_str("the peer has fallen silent"),
            Self::Reset => out.write_str("the peer has restarted"),
            Self::Untrusted { reason } => {
                write!(out, "the peer's certificate is not accepted ({reason}): {HINT}")
            }
            Self::Rejected { reason } => {
                write!(out, "the peer does not accept our certificate ({reason}): {HINT}")
            }
            Self::Protocol { reason } => write!(out, "the peer broke the protocol: {reason}"),
        }
    }
}

/// QUIC carries TLS alerts as error codes 0x100 to 0x1ff.
const TLS_ALERTS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;

impl From<ConnectionError> for CloseReason {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => Self::Peer {
                code: CloseCode::from_wire(close.error_code),
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            ConnectionError::ConnectionClosed(close) => {
                let reason = String::from_utf8_lossy(&close.reason).into_owned();
                if TLS_ALERTS.contains(&u64::from(close.error_code)) {
                    Self::Rejected { reason }
                } else {
                    Self::Peer {
                        code: CloseCode::Other(u32::MAX),
                        reason: format!("{} {reason}", close.error_code),
                    }
                }
            }
            ConnectionError::TransportError(error) if TLS_ALERTS.contains(&u64::from(error.code)) => {
                Self::Untrusted { reason: error.reason }
            }
            ConnectionError::TransportError(error) => Self::Protocol { reason: error.to_string() },
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::Reset => Self::Reset,
            ConnectionError::LocallyClosed => {
                Self::Here { code: CloseCode::Done, reason: "link dropped".into() }
            }
            error @ (ConnectionError::VersionMismatch | ConnectionError::CidsExhausted) => {
                Self::Protocol { reason: error.to_string() }
            }
        }
    }
}
