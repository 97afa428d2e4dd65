//! The version handshake: what each side says first, and what both conclude from it.

use std::time::Duration;

use quinn::{RecvStream, SendStream};
use serde::{Deserialize, Serialize};

use crate::{config::Config, error::HelloError, frame};

/// The largest `Hello` that is read.
pub const MAX_HELLO_BYTES: usize = 64 * 1024;

/// The first message on a connection, in both directions. Its layout never changes, so that any two builds can tell
/// each other why they do not get on; what is new goes into `payload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The lowest version that the sender speaks.
    pub protocol_min: u32,
    /// The highest.
    pub protocol_max: u32,
    /// The sender's build, for people.
    pub build: String,
    /// The sender's cluster.
    pub cluster: String,
    /// Bytes that mean something to the layer above.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
}

impl Hello {
    pub(crate) fn ours(config: &Config, cluster: &str) -> Self {
        Self {
            protocol_min: config.protocol_min,
            protocol_max: config.protocol_max,
            build: config.build.clone(),
            cluster: cluster.to_owned(),
            payload: config.payload.clone(),
        }
    }

    /// The highest version that both speak. Both sides come to the same.
    ///
    /// # Errors
    ///
    /// The clusters differ, or there is no such version; the error tells what each side has.
    pub fn agree(&self, peer: &Self) -> Result<u32, HelloError> {
        if self.cluster != peer.cluster {
            return Err(HelloError::Cluster { ours: self.cluster.clone(), theirs: shorten(&peer.cluster) });
        }
        let highest = self.protocol_max.min(peer.protocol_max);
        if highest < self.protocol_min.max(peer.protocol_min) {
            return Err(HelloError::Version { ours: self.versions(), theirs: peer.versions() });
        }
        Ok(highest)
    }

    fn versions(&self) -> String {
        format!("{} to {} (build {})", self.protocol_min, self.protocol_max, shorten(&self.build))
    }
}

/// A peer's words, fit for an error message.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Sends our hello, reads the peer's, and concludes.
pub(crate) async fn exchange(
    send: &mut SendStream,
    recv: &mut RecvStream,
    ours: &Hello,
    deadline: Duration,
) -> Result<(Hello, u32), HelloError> {
    let both = async {
        let frame = frame::encode(ours, MAX_HELLO_BYTES)?;
        send.write_all(&frame).await.map_err(HelloError::write)?;
        send.finish().map_err(|_| HelloError::Ended)?;
        let mut header = [0; frame::HEADER_BYTES];
        recv.read_exact(&mut header).await.map_err(HelloError::read)?;
        let mut body = vec![0; frame::body_len(header, MAX_HELLO_BYTES)?];
        recv.read_exact(&mut body).await.map_err(HelloError::read)?;
        let theirs: Hello = frame::decode(&body)?;
        let version = ours.agree(&theirs)?;
        Ok((theirs, version))
    };
    tokio::time::timeout(deadline, both).await.map_err(|_| HelloError::Deadline { after: deadline })?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(min: u32, max: u32) -> Hello {
        Hello {
            protocol_min: min,
            protocol_max: max,
            build: format!("b{max}"),
            cluster: "c".into(),
            payload: vec![],
        }
    }

    #[test]
    fn both_sides_take_the_highest_common_version() {
        for (a, b, expected) in [((1, 3), (2, 5), 3), ((1, 1), (1, 9), 1), ((4, 7), (4, 7), 7)] {
            let (a, b) = (hello(a.0, a.1), hello(b.0, b.1));
            assert_eq!(a.agree(&b).unwrap(), expected);
            assert_eq!(b.agree(&a).unwrap(), expected);
        }
    }

    #[test]
    fn no_common_version_tells_both() {
        let error = hello(1, 2).agree(&hello(3, 4)).unwrap_err().to_string();
        assert!(error.contains("1 to 2 (build b2)") && error.contains("3 to 4 (build b4)"), "{error}");
        assert!(hello(3, 4).agree(&hello(1, 2)).is_err());
        assert!(hello(5, 1).agree(&hello(1, 9)).is_err(), "a range that is upside down has no version");
    }

    #[test]
    fn another_cluster_is_refused() {
        let other = Hello { cluster: "d\n\u{1b}".into(), ..hello(1, 1) };
        let error = hello(1, 1).agree(&other).unwrap_err().to_string();
        assert!(error.contains("`c`") && error.contains("`d`"), "{error}");
    }
}
