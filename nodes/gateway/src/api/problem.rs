//! An error as RFC 9457 has it.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// A problem document: what went wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of problem: `urn:tidegate:problem:` and a word that stays the same between releases.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Box<str>,
    /// The kind in a few words, the same for every problem of it.
    #[schema(value_type = String)]
    pub title: Box<str>,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: String,
    /// The dotted key of the request's body that is wrong, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Everything that is wrong with a specification, when it is more than `detail` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// One thing that is wrong with a specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The dotted key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is wrong with it.
    pub detail: String,
}

const KIND: &str = "urn:tidegate:problem:";

impl Problem {
    /// A problem of the kind with this word.
    pub fn new(status: u16, word: &str, title: &str, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("{KIND}{word}").into(),
            title: title.into(),
            status,
            detail: detail.into(),
            key: None,
            findings: Vec::new(),
        }
    }

    /// The word that tells the kind.
    pub fn word(&self) -> &str {
        self.kind.strip_prefix(KIND).unwrap_or(&self.kind)
    }

    /// The same, about one key of the body.
    #[must_use]
    pub fn at(mut self, key: impl Into<String>) -> Problem {
        self.key = Some(key.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = self.key.as_ref().filter(|key| !self.detail.starts_with(key.as_str())) {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.detail)?;
        // The first finding is the detail itself.
        for finding in self.findings.iter().skip(1) {
            write!(f, "\n{}", finding.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
