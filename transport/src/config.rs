//! Limits and timings of an endpoint, checked once, when it is bound.

use std::time::Duration;

use crate::{error::ConfigError, hello::MAX_HELLO_BYTES, tls::Role};

/// The messages' protocol that this release speaks: one more whenever what is carried is written otherwise.
const PROTOCOL: u32 = 2;
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// How an endpoint carries messages. Start from [`Config::default`].
#[derive(Debug, Clone)]
pub struct Config {
    /// The roles whose connections are accepted. With none the endpoint only dials.
    pub accept: Vec<Role>,
    /// The lowest version of the messages' protocol that this program speaks.
    pub protocol_min: u32,
    /// The highest.
    pub protocol_max: u32,
    /// This program's build, told to the peer for its logs and errors.
    pub build: String,
    /// Opaque bytes handed to the peer with the version handshake.
    pub payload: Vec<u8>,
    /// The largest body of a frame, in bytes, by where it travels.
    pub max_frame: FrameLimits,
    /// How much may wait to be sent on each of a link's two message streams.
    pub queue: QueueLimits,
    /// How often a quiet link says that it is alive.
    pub keep_alive: Duration,
    /// After how long without a word a link is given up. The lower of both sides' holds.
    pub idle_timeout: Duration,
    /// How long a handshake may take, from the first packet to the agreed version; and how long a peer may take
    /// over the request that heads a bulk stream.
    pub handshake_timeout: Duration,
    /// The round trip that is assumed before one was measured: a lost first packet is repeated after about thrice
    /// this, so that a peer that is just starting is found soon.
    pub initial_rtt: Duration,
    /// How many bulk streams the peer may have open towards us.
    pub max_bulk_streams: u32,
    /// How many received bytes of one stream may wait to be read, in bytes.
    pub stream_window: usize,
    /// How many bytes may be on their way to the peer, over all streams of a link.
    pub send_window: usize,
    /// The kernel's socket buffers, in bytes, each way; as much of it is used as the system allows.
    pub socket_buffer: usize,
    /// How many handshakes may be under way or wait to be accepted; peers beyond are refused.
    pub max_handshakes: usize,
}

/// The largest body of a frame, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// On the consensus stream.
    pub consensus: usize,
    /// On the control stream.
    pub control: usize,
    /// Requests and replies on a bulk stream. Bodies are not frames: their reader gives a limit for each.
    pub bulk: usize,
}

/// How much may wait to be sent. A sender waits while either is reached; hence at most `bytes` and one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Frames.
    pub frames: usize,
    /// Bytes, frames' lengths included.
    pub bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            accept: vec![Role::Controller, Role::Worker],
            protocol_min: PROTOCOL,
            protocol_max: PROTOCOL,
            build: String::new(),
            payload: Vec::new(),
            max_frame: FrameLimits { consensus: 64 * MIB, control: 4 * MIB, bulk: MIB },
            queue: QueueLimits { frames: 8192, bytes: 4 * MIB },
            keep_alive: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(5),
            initial_rtt: Duration::from_millis(25),
            max_bulk_streams: 32,
            stream_window: 2 * MIB,
            send_window: 8 * MIB,
            socket_buffer: 4 * MIB,
            max_handshakes: 256,
        }
    }
}

impl Config {
    /// Checks every value.
    ///
    /// # Errors
    ///
    /// The first that cannot work, with what it must be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let ms = Duration::from_millis;
        let frame = 1..=1024 * MIB;
        let window = 64 * KIB..=1024 * MIB;
        let checks = [
            ("protocol_min", self.protocol_min <= self.protocol_max, "at most protocol_max"),
            ("build", self.build.len() <= 256, "at most 256 bytes long"),
            ("payload", self.payload.len() <= MAX_HELLO_BYTES - 4 * KIB, "at most 60 KiB"),
            ("max_frame.consensus", frame.contains(&self.max_frame.consensus), "1 byte to 1 GiB"),
            ("max_frame.control", frame.contains(&self.max_frame.control), "1 byte to 1 GiB"),
            ("max_frame.bulk", frame.contains(&self.max_frame.bulk), "1 byte to 1 GiB"),
            ("queue.frames", self.queue.frames > 0, "at least 1"),
            ("queue.bytes", self.queue.bytes > 0, "at least 1"),
            ("keep_alive", self.keep_alive >= ms(10), "at least 10 ms"),
            ("idle_timeout", self.idle_timeout >= 2 * self.keep_alive, "at least twice keep_alive"),
            ("idle_timeout", self.idle_timeout <= ms(3_600_000), "at most an hour"),
            (
                "handshake_timeout",
                (ms(10)..=ms(300_000)).contains(&self.handshake_timeout),
                "10 ms to 5 minutes",
            ),
            ("initial_rtt", (ms(1)..=ms(1000)).contains(&self.initial_rtt), "1 ms to 1 s"),
            ("max_bulk_streams", (1..=4096).contains(&self.max_bulk_streams), "1 to 4096"),
            ("stream_window", window.contains(&self.stream_window), "64 KiB to 1 GiB"),
            ("send_window", window.contains(&self.send_window), "64 KiB to 1 GiB"),
            ("socket_buffer", (16 * KIB..=1024 * MIB).contains(&self.socket_buffer), "16 KiB to 1 GiB"),
            ("max_handshakes", (1..=65_536).contains(&self.max_handshakes), "1 to 65536"),
        ];
        match checks.into_iter().find(|(_, holds, _)| !holds) {
            Some((key, _, must_be)) => Err(ConfigError { key, must_be }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_holds_and_nonsense_does_not() {
        Config::default().validate().unwrap();
        let late = Config { keep_alive: Duration::from_secs(4), ..Config::default() };
        assert_eq!(
            late.validate().unwrap_err().to_string(),
            "`idle_timeout` must be at least twice keep_alive"
        );
        assert!(Config { protocol_min: PROTOCOL + 1, ..Config::default() }.validate().is_err());
        assert!(Config { stream_window: 1, ..Config::default() }.validate().is_err());
    }
}
