//! What a run prints, on its way to our own outputs.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::follow::{PATIENCE, PAUSE, is_passing};
use crate::output;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use tidegate_gateway::api::RunDetails;

/// How often a log that gives nothing any more is connected again.
const FRUITLESS: u32 = 10;
/// Bytes printed at a time.
const CHUNK: usize = 32 << 10;
/// Pieces that wait to be printed.
const WAITING: usize = 4;
/// After so long without a byte the server is asked whether it is there.
const SILENT: Duration = Duration::from_secs(10);

/// Which of a run's outputs to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Stdout,
    Stderr,
}

impl Which {
    fn word(self) -> &'static str {
        match self {
            Which::Stdout => "stdout",
            Which::Stderr => "stderr",
        }
    }
}

/// Prints one of a run's outputs to the same one of ours. Where the connection breaks off while it is followed, it goes
/// on where it was, from this server or another.
pub(crate) fn print_log(
    client: &Client,
    name: &str,
    which: Which,
    element: Option<u32>,
    follow: bool,
) -> Result<(), Failure> {
    let mut log = Log { client, name, which, element, follow, attempts: None, printed: 0, fruitless: 0 };
    loop {
        match log.print() {
            Err(failure) if follow && log.fruitless < FRUITLESS && is_passing(&failure) => {
                log.reconnect(failure)?
            }
            ended => return ended,
        }
    }
}

/// Prints both outputs as they come.
pub(crate) fn print_both(
    client: &Client,
    name: &str,
    element: Option<u32>,
    follow: bool,
) -> Result<(), Failure> {
    if !follow {
        print_log(client, name, Which::Stdout, element, false)?;
        return print_log(client, name, Which::Stderr, element, false);
    }
    std::thread::scope(|scope| {
        let stderr = scope.spawn(|| print_log(client, name, Which::Stderr, element, true));
        let stdout = print_log(client, name, Which::Stdout, element, true);
        let stderr = stderr.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        stdout.and(stderr)
    })
}

/// One of a run's outputs on its way to one of ours.
struct Log<'a> {
    client: &'a Client,
    name: &'a str,
    which: Which,
    element: Option<u32>,
    follow: bool,
    /// How many attempts there were when it was last connected, once that is known.
    attempts: Option<usize>,
    /// Bytes printed.
    printed: u64,
    /// Connections since the last byte.
    fruitless: u32,
}

impl Log<'_> {
    fn print(&mut self) -> Result<(), Failure> {
        if self.follow && self.attempts.is_none() {
            self.attempts = Some(self.count_attempts()?);
        }
        let mut query = vec![
            ("stream", self.which.word().to_owned()),
            ("follow", self.follow.to_string()),
            ("offset", self.printed.to_string()),
        ];
        query.extend(self.element.map(|element| ("element", element.to_string())));
        let (log, server) = self.client.get_stream(&format!("/runs/{}/logs", segment(self.name)), &query)?;
        let mut to: Box<dyn Write> = match self.which {
            Which::Stdout => Box::new(io::stdout()),
            Which::Stderr => Box::new(io::stderr()),
        };
        let pieces = in_pieces(log);
        loop {
            match pieces.recv_timeout(SILENT) {
                Ok(Ok(piece)) if piece.is_empty() => return Ok(()),
                Ok(Ok(piece)) => {
                    output::bytes(&piece, &mut to)?;
                    self.printed += piece.len() as u64;
                    self.fruitless = 0;
                }
                Ok(Err(error)) => return Err(self.broken_off(&error.to_string())),
                Err(RecvTimeoutError::Timeout) => {
                    if self.client.has_several() && !self.client.is_ready(server) {
                        return Err(self.broken_off("its server does not answer any more"));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.broken_off("its reader has ended")),
            }
        }
    }

    fn broken_off(&self, why: &str) -> Failure {
        let name = self.name;
        Failure::Unreachable(format!(
            "the log of {name} broke off: {why}; the run is not touched by this, read it again with \
             `tidegate run logs {name}`"
        ))
    }

    fn count_attempts(&self) -> Result<usize, Failure> {
        let query: Vec<_> =
            self.element.map(|element| ("element", element.to_string())).into_iter().collect();
        let details: RunDetails = self.client.get(&format!("/runs/{}", segment(self.name)), &query)?;
        Ok(details.attempts.len())
    }

    /// Waits for a server to answer. A run that was tried again meanwhile is shown from its new attempt on.
    fn reconnect(&mut self, failure: Failure) -> Result<(), Failure> {
        let since = Instant::now();
        self.fruitless += 1;
        loop {
            std::thread::sleep(PAUSE);
            match self.count_attempts() {
                Ok(attempts) => {
                    let same = self.attempts.is_none_or(|before| is_same(before, attempts));
                    self.printed = if same { self.printed } else { 0 };
                    self.attempts = Some(attempts);
                    return Ok(());
                }
                Err(again) if is_passing(&again) && since.elapsed() < PATIENCE => {}
                Err(again) if is_passing(&again) => return Err(failure),
                Err(again) => return Err(again),
            }
        }
    }
}

/// Whether the attempt that is shown now is the one that was shown when there were `before` attempts: of a run that had
/// none yet, the first one was.
fn is_same(before: usize, now: usize) -> bool {
    before.max(1) == now.max(1)
}

/// A log read on a thread of its own, so that silence is noticed; an empty piece is its end. The thread ends with the
/// log, or with the first piece that nobody takes.
fn in_pieces(mut log: impl Read + Send + 'static) -> Receiver<io::Result<Vec<u8>>> {
    let (to, pieces) = sync_channel(WAITING);
    std::thread::spawn(move || {
        loop {
            let mut piece = vec![0; CHUNK];
            let read = match log.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read,
            };
            let is_last = !matches!(read, Ok(1..));
            let read = read.map(|count| {
                piece.truncate(count);
                piece
            });
            if to.send(read).is_err() || is_last {
                return;
            }
        }
    });
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_known_again_by_how_many_there_are() {
        for (before, now, same) in
            [(0, 0, true), (0, 1, true), (1, 1, true), (1, 2, false), (3, 3, true), (0, 2, false)]
        {
            assert_eq!(is_same(before, now), same, "{before} {now}");
        }
    }

    #[test]
    fn a_log_comes_whole_and_says_how_it_ends() {
        let whole: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        let mut got = Vec::new();
        for piece in in_pieces(io::Cursor::new(whole.clone())) {
            got.extend(piece.unwrap());
        }
        assert_eq!(got, whole);
        struct Breaks(bool);
        impl Read for Breaks {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                match std::mem::replace(&mut self.0, true) {
                    true => Err(io::Error::other("cut")),
                    false => {
                        into[0] = b'a';
                        Ok(1)
                    }
                }
            }
        }
        let got: Vec<String> = in_pieces(Breaks(false)).iter().map(|piece| format!("{piece:?}")).collect();
        assert!(got.len() == 2 && got[0] == "Ok([97])" && got[1].contains("cut"), "{got:?}");
    }
}
