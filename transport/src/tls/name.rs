//! Who a certificate speaks for: `tidegate://<cluster>/<role>/<name>`, its only URI.

use std::{fmt, str::FromStr};

use crate::error::TlsError;

const SCHEME: &str = "tidegate://";
const MAX_NAME_BYTES: usize = 128;

/// What a machine may do in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Takes part in consensus and directs workers.
    Controller,
    /// Runs what controllers send it.
    Worker,
}

impl Role {
    fn text(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Worker => "worker",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text())
    }
}

impl FromStr for Role {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Self, TlsError> {
        match text {
            "controller" => Ok(Self::Controller),
            "worker" => Ok(Self::Worker),
            _ => Err(TlsError::Name { name: text.chars().take(MAX_NAME_BYTES).collect() }),
        }
    }
}

/// A machine's identity within one cluster, as its certificate states it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    /// The cluster's name.
    pub cluster: String,
    /// What it may do.
    pub role: Role,
    /// Its name, unique among those of its role.
    pub name: String,
}

impl PeerId {
    /// An identity of valid names: letters, digits, `.`, `_` and `-`, at most 128 of them.
    ///
    /// # Errors
    ///
    /// The name that is not valid.
    pub fn new(cluster: &str, role: Role, name: &str) -> Result<Self, TlsError> {
        check_name(cluster)?;
        check_name(name)?;
        Ok(Self { cluster: cluster.to_owned(), role, name: name.to_owned() })
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{SCHEME}{}/{}/{}", self.cluster, self.role, self.name)
    }
}

impl FromStr for PeerId {
    type Err = TlsError;

    fn from_str(uri: &str) -> Result<Self, TlsError> {
        let parts = uri.strip_prefix(SCHEME).map(|rest| rest.split('/').collect::<Vec<_>>());
        match parts.as_deref() {
            Some([cluster, role, name]) => Self::new(cluster, role.parse()?, name),
            _ => Err(TlsError::Name { name: uri.chars().take(2 * MAX_NAME_BYTES).collect() }),
        }
    }
}

/// The URI in the certificate of a cluster's own authority.
pub(super) fn authority_uri(cluster: &str) -> String {
    format!("{SCHEME}{cluster}")
}

/// The cluster that an authority's URI names.
pub(super) fn authority_cluster(uri: &str) -> Option<&str> {
    uri.strip_prefix(SCHEME).filter(|cluster| check_name(cluster).is_ok())
}

pub(super) fn check_name(name: &str) -> Result<(), TlsError> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(valid) {
        return Err(TlsError::Name { name: name.chars().take(MAX_NAME_BYTES).collect() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uri_is_read_back() {
        let id = PeerId::new("c1", Role::Worker, "pool-a.7").unwrap();
        assert_eq!(id.to_string(), "tidegate://c1/worker/pool-a.7");
        assert_eq!(id.to_string().parse::<PeerId>().unwrap(), id);
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for name in ["", "a/b", "a b", "é", "x\n", &"a".repeat(129)] {
            assert!(PeerId::new("c", Role::Worker, name).is_err(), "{name:?}");
        }
        for uri in
            ["tidegate://c/worker", "tidegate://c/root/a", "tidegate://c/worker/a/b", "http://c/worker/a"]
        {
            assert!(uri.parse::<PeerId>().is_err(), "{uri}");
        }
        assert_eq!(authority_cluster("tidegate://c1"), Some("c1"));
        assert_eq!(authority_cluster("tidegate://c1/worker/a"), None);
    }
}
