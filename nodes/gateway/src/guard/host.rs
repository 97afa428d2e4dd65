//! The headers `Host` and `Origin`: without these checks any web page that the user opens could reach a server on
//! loopback, by a host name of its own that resolves to 127.0.0.1, or by a plain cross-site request.

use crate::api::Problem;
use std::net::{IpAddr, SocketAddr};

/// The names under which this server may be reached.
pub(crate) struct Hosts {
    listen: SocketAddr,
    names: Vec<String>,
}

impl Hosts {
    pub(crate) fn new(listen: SocketAddr, names: &[String]) -> Hosts {
        Hosts { listen, names: names.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    pub(crate) fn check(&self, host: Option<&str>, origin: Option<&str>) -> Result<(), Problem> {
        let Some(host) = host else {
            return Err(crate::problem::bad_request("the request has no header `Host`"));
        };
        if !self.is_ours(host) {
            let detail = format!(
                "this server is not `{}`; reach it as {}, or name that host under `http.names` in the server's configuration",
                host.chars().take(100).collect::<String>(),
                self.listen
            );
            return Err(Problem::new(421, "wrong-host", "The request is for another server", detail));
        }
        match origin {
            Some(origin) if !self.is_same_origin(origin, host) => {
                let origin: String = origin.chars().take(100).collect();
                let detail =
                    format!("a page of `{origin}` may not use this server; call it from a program instead");
                Err(Problem::new(403, "foreign-origin", "The request comes from a foreign page", detail))
            }
            _ => Ok(()),
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let name = name_of(host).to_ascii_lowercase();
        if name == "localhost" || self.names.contains(&name) {
            return true;
        }
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
        bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip == self.listen.ip())
    }

    /// Whether a page that this very server gave out asks.
    fn is_same_origin(&self, origin: &str, host: &str) -> bool {
        let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    }
}

/// The host without its port.
fn name_of(host: &str) -> &str {
    match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts::new("127.0.0.1:8770".parse().unwrap(), &["Tide.example".to_owned()])
    }

    #[test]
    fn loopback_and_configured_names_are_ours() {
        for host in
            ["127.0.0.1:8770", "localhost:8770", "LOCALHOST", "[::1]:8770", "127.9.9.9", "tide.example:1"]
        {
            assert!(hosts().check(Some(host), None).is_ok(), "{host}");
        }
        for host in [
            "evil.example:8770",
            "10.0.0.1",
            "",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[::2]",
            "2130706433",
        ] {
            assert_eq!(hosts().check(Some(host), None).unwrap_err().status, 421, "{host}");
        }
        assert_eq!(hosts().check(None, None).unwrap_err().status, 400);
    }

    #[test]
    fn pages_of_others_are_refused() {
        let host = "localhost:8770";
        assert!(hosts().check(Some(host), Some("http://localhost:8770")).is_ok());
        for origin in [
            "https://evil.example",
            "null",
            "",
            "http://localhost:9999",
            "file://",
            "http://localhost:8770.evil.example",
        ] {
            assert_eq!(hosts().check(Some(host), Some(origin)).unwrap_err().status, 403, "{origin}");
        }
    }
}
