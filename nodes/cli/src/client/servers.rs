//! The servers of one cluster, asked one after another.

use crate::failure::Failure;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The URLs at which a cluster answers, and which of them is asked now.
pub(crate) struct Servers {
    all: Vec<String>,
    at: AtomicUsize,
}

impl Servers {
    /// Servers as contexts have them; an empty list is refused.
    pub(crate) fn new(all: Vec<String>) -> Result<Servers, Failure> {
        if all.is_empty() {
            return Err(Failure::Usage("give at least one server".to_owned()));
        }
        Ok(Servers { all, at: AtomicUsize::new(0) })
    }

    /// Servers as people type them: `http://HOST:PORT`, several with commas between.
    pub(crate) fn parse(text: &str) -> Result<Servers, Failure> {
        let mut all: Vec<String> = Vec::new();
        for part in text.split(',') {
            let server = normal(part)?;
            if !all.contains(&server) {
                all.push(server);
            }
        }
        Servers::new(all)
    }

    /// Every one of them.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    /// Which one is asked now, and its number.
    pub(crate) fn current(&self) -> (usize, &str) {
        let at = self.at.load(Ordering::Relaxed) % self.all.len();
        (at, &self.all[at])
    }

    /// From now on the one after `at` is asked, unless another thread has turned away from `at` already.
    pub(crate) fn turn_from(&self, at: usize) {
        let next = (at + 1) % self.all.len();
        // To have lost this race is to have been served.
        let _ = self.at.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// All of them, for people.
    pub(crate) fn list(&self) -> String {
        self.all.join(", ")
    }
}

/// A server's URL without what follows its port.
fn normal(server: &str) -> Result<String, Failure> {
    let server = server.trim().trim_end_matches('/');
    let with_scheme = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let wrong = |what: &str| Err(Failure::Usage(format!("--server {server}: {what}")));
    match with_scheme.split_once("://") {
        Some(("http", host)) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => {
            Ok(with_scheme)
        }
        Some(("https", _)) => {
            wrong("https is not supported yet; reach the server through an SSH tunnel by http")
        }
        _ => wrong("give http://HOST:PORT, or several with commas between"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_in_one_way() {
        for (given, servers) in [
            ("http://127.0.0.1:8770/", Some("http://127.0.0.1:8770")),
            ("localhost:9", Some("http://localhost:9")),
            ("a:1,http://b:2/, a:1", Some("http://a:1, http://b:2")),
            ("https://h", None),
            ("http://h/path", None),
            ("ftp://h", None),
            ("", None),
            ("a:1,", None),
        ] {
            assert_eq!(
                Servers::parse(given).ok().map(|servers| servers.list()).as_deref(),
                servers,
                "{given}"
            );
        }
        assert!(Servers::new(Vec::new()).is_err());
    }

    #[test]
    fn each_is_asked_in_turn_and_two_threads_turn_once() {
        let servers = Servers::parse("a:1,b:2,c:3").unwrap();
        let mut asked = Vec::new();
        for _ in 0..4 {
            let (at, server) = servers.current();
            asked.push(server.to_owned());
            servers.turn_from(at);
            servers.turn_from(at);
        }
        assert_eq!(asked, ["http://a:1", "http://b:2", "http://c:3", "http://a:1"]);
    }
}
