//! What a server received, synced and answered, in order: read from a trace of its system calls.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// The calls by which requests come, answers go, and files are synced.
const CALLS: &str = "trace=recvfrom,read,sendto,write,writev,fdatasync,fsync";
/// How much of what is received and answered is shown, in bytes.
const SHOWN: &str = "512";

/// `strace`, attached to a process and all its threads.
pub(crate) struct Tracer {
    child: Child,
    output: PathBuf,
    /// Kept open: it tells of every new thread, and would die of a closed pipe.
    _messages: BufReader<ChildStderr>,
}

impl Tracer {
    /// Attaches it; the trace goes to `output`.
    ///
    /// # Errors
    /// There is no `strace`, or it may not.
    pub(crate) fn attach(pid: i32, output: &Path) -> Result<Tracer> {
        let mut child = Command::new("strace")
            .args(["-f", "-ttt", "-s", SHOWN, "-e", CALLS, "-p", &pid.to_string(), "-o"])
            .arg(output)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start strace")?;
        let mut said = String::new();
        let mut messages = BufReader::new(child.stderr.take().context("strace has no standard error")?);
        messages.read_line(&mut said)?;
        if !said.contains("attached") {
            child.wait()?;
            bail!("strace cannot attach: {}", said.trim());
        }
        Ok(Tracer { child, output: output.to_owned(), _messages: messages })
    }

    /// Detaches it; what it saw.
    pub(crate) fn detach(mut self) -> Result<Vec<Seen>> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT)?;
        self.child.wait()?;
        let text =
            fs::read(&self.output).with_context(|| format!("cannot read {}", self.output.display()))?;
        let seen = parse(&String::from_utf8_lossy(&text));
        ensure!(!seen.is_empty(), "strace saw nothing that is known here");
        Ok(seen)
    }
}

/// What a server did, when (in seconds since 1970), in the order in which it was done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    /// It got bytes on a connection.
    Received { fd: u32, at: f64 },
    /// It synced a file.
    Synced { from: f64, to: f64 },
    /// It began to send an answer: its first bytes.
    Answered { fd: u32, at: f64, text: String },
}

/// Lines are `THREAD TIME CALL(...) = RESULT`, or the two halves of one that others interrupt.
fn parse(text: &str) -> Vec<Seen> {
    let mut unfinished: HashMap<&str, (f64, &str)> = HashMap::new();
    let mut seen = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(2, char::is_whitespace);
        let (Some(thread), Some(rest)) = (parts.next(), parts.next()) else { continue };
        let Some((time, call)) = rest.trim_start().split_once(' ') else { continue };
        let Ok(time) = time.parse::<f64>() else { continue };
        if let Some(first) = call.strip_suffix(" <unfinished ...>") {
            // An answer counts from its beginning: it may have gone by the time that the call returns.
            seen.extend(answer(first, time));
            unfinished.insert(thread, (time, first));
        } else if call.starts_with("<... ") {
            if let Some((from, first)) = unfinished.remove(thread) {
                seen.extend(whole(first, call, from, time));
            }
        } else {
            seen.extend(answer(call, time));
            seen.extend(whole(call, call, time, time));
        }
    }
    seen
}

fn answer(call: &str, at: f64) -> Option<Seen> {
    let (name, arguments) = call.split_once('(')?;
    let is_answer = matches!(name, "sendto" | "write" | "writev") && arguments.contains("\"HTTP/1.1 ");
    let fd = arguments.split([',', ')']).next()?.parse().ok()?;
    is_answer.then(|| Seen::Answered { fd, at, text: arguments.to_owned() })
}

/// `first` has a call's name and file, `last` its result.
fn whole(first: &str, last: &str, from: f64, to: f64) -> Option<Seen> {
    let (name, arguments) = first.split_once('(')?;
    let result = last.rsplit_once(" = ")?.1;
    let fd = arguments.split([',', ')']).next()?.parse().ok()?;
    match name {
        "fdatasync" | "fsync" => (result == "0").then_some(Seen::Synced { from, to }),
        "recvfrom" | "read" => (!result.starts_with(['-', '0'])).then_some(Seen::Received { fd, at: to }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_whole_or_in_halves() {
        let text = "7  10.5 recvfrom(9, \"POST /api\", 8192, 0, NULL, NULL) = 9\n\
            8  10.6 fdatasync(5 <unfinished ...>\n\
            7  10.7 recvfrom(9, 0x7f, 8192, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)\n\
            8  10.8 <... fdatasync resumed>) = 0\n\
            7  10.9 sendto(9, \"HTTP/1.1 201 Created\\r\\n\", 22, MSG_NOSIGNAL, NULL, 0) = 22\n\
            8  11.0 fsync(6)                 = -1 EIO (Input/output error)\n\
            7  11.1 write(4, \"\\1\\0\\0\", 8) = 8\n";
        let seen = parse(text);
        let [Seen::Received { fd: 9, at }, Seen::Synced { from, to }, Seen::Answered { fd: 9, text, .. }] =
            &seen[..]
        else {
            panic!("{seen:?}")
        };
        assert_eq!((*at, *from, *to), (10.5, 10.6, 10.8));
        assert!(text.contains("201"));
    }
}
