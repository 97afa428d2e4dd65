//! Keeps a link with one peer: dials until it answers, and again whenever the link is lost.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::time::Instant;

mod backoff;

use backoff::Backoff;

use crate::{endpoint::Endpoint, error::ConnectError, link::Link, tls::Role};

/// A link that lasted this long shows that the peer is well: the next pause is the shortest again.
const WELL: Duration = Duration::from_secs(1);

/// How long to wait between tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialPolicy {
    /// The shortest pause: short, so that a peer that restarts is found soon.
    pub min_pause: Duration,
    /// The longest; pauses double until there.
    pub max_pause: Duration,
    /// How long one try may take before the address is read anew.
    pub attempt: Duration,
    /// Draws the pauses, so that many dialers do not come at once. Give each machine its own.
    pub seed: u64,
}

impl DialPolicy {
    /// 20 ms to 1 s, 2 s a try.
    pub fn new(seed: u64) -> Self {
        Self {
            min_pause: Duration::from_millis(20),
            max_pause: Duration::from_secs(1),
            attempt: Duration::from_secs(2),
            seed,
        }
    }
}

/// What a try came to.
#[derive(Debug)]
pub enum Dialed {
    /// The peer answered.
    Up(Link),
    /// It did not; the next call tries again, after a pause.
    Failed(DialFailure),
}

/// One try that failed.
#[derive(Debug)]
pub struct DialFailure {
    /// How many have failed since the peer was last well.
    pub tries: u32,
    /// The pause before the next.
    pub pause: Duration,
    /// Why.
    pub error: DialError,
}

/// Why a try failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The peer's address cannot be told now.
    #[error("the peer's address: {0}")]
    Address(io::Error),
    /// It does not answer, or one side does not accept the other.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// Dials one peer for ever.
pub struct Dialer<F> {
    endpoint: Endpoint,
    expected: Role,
    address: F,
    attempt: Duration,
    backoff: Backoff,
    current: Option<(Link, Instant)>,
    pause: Option<Duration>,
}

impl<F> std::fmt::Debug for Dialer<F> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Dialer")
            .field("expected", &self.expected)
            .field("tries", &self.backoff.tries())
            .finish_non_exhaustive()
    }
}

impl<F, A> Dialer<F>
where
    F: FnMut() -> A,
    A: Future<Output = io::Result<SocketAddr>>,
{
    /// A dialer of the peer that `address` finds, asked before every try since it may change.
    pub fn new(endpoint: Endpoint, expected: Role, policy: DialPolicy, address: F) -> Self {
        Self {
            endpoint,
            expected,
            address,
            attempt: policy.attempt,
            backoff: Backoff::new(&policy),
            current: None,
            pause: None,
        }
    }

    /// Waits until the last link has closed, if there was one, and for the pause that is due, and tries once.
    /// Loses nothing when dropped before it is done but a try that is under way.
    pub async fn next(&mut self) -> Dialed {
        if let Some((link, since)) = &self.current {
            link.closed().await;
            let lasted = since.elapsed();
            self.current = None;
            if lasted >= WELL {
                self.backoff.reset();
            }
            // A link that is lost again at once is as good as a try that failed.
            self.pause = Some(self.backoff.pause());
        }
        if let Some(pause) = self.pause {
            tokio::time::sleep(pause).await;
            self.pause = None;
        }
        match self.attempt().await {
            Ok(link) => {
                self.current = Some((link.clone(), Instant::now()));
                Dialed::Up(link)
            }
            Err(error) => {
                let pause = self.backoff.pause();
                self.pause = Some(pause);
                Dialed::Failed(DialFailure { tries: self.backoff.tries(), pause, error })
            }
        }
    }

    /// The next link, however many tries it takes; logs those that fail.
    pub async fn link(&mut self) -> Link {
        loop {
            match self.next().await {
                Dialed::Up(link) => return link,
                Dialed::Failed(DialFailure { tries, pause, error }) => {
                    // The first and then ever fewer: a peer that is away for long must not fill the log.
                    if tries.is_power_of_two() {
                        tracing::warn!(tries, next_in = ?pause, %error, "cannot reach the peer, trying on");
                    } else {
                        tracing::debug!(tries, next_in = ?pause, %error, "cannot reach the peer, trying on");
                    }
                }
            }
        }
    }

    async fn attempt(&mut self) -> Result<Link, DialError> {
        let address = (self.address)().await.map_err(DialError::Address)?;
        let connect = self.endpoint.connect(address, self.expected);
        match tokio::time::timeout(self.attempt, connect).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(ConnectError::NoAnswer { address, after: self.attempt }.into()),
        }
    }
}
