//! What can be wrong with a specification, and where.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use crate::source::Source;

/// A specification that cannot be accepted: what is wrong, where, and what to do.
///
/// `Display` is one line, `file:line:column: key: what, what to do`; with [`miette`] the offending
/// lines are shown as well.
#[derive(Clone)]
pub struct SpecError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    problem: Problem,
    place: Place,
    source: Option<Arc<Source>>,
}

/// Where a problem is; whatever is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user named it.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The dotted key, such as `inputs.data.path`.
    pub key: Option<String>,
    /// First byte and length of the offending text in the file.
    pub(crate) span: Option<(usize, usize)>,
}

impl Place {
    pub(crate) fn in_file(name: &str) -> Place {
        Place { file: Some(name.to_owned()), ..Place::default() }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be opened or read.
    #[error("cannot be read: {error}")]
    Unreadable {
        /// The system's words.
        error: String,
    },
    /// The path names something that is not a regular file.
    #[error("is {what}, not a file")]
    NotAFile {
        /// What it is.
        what: &'static str,
    },
    /// The document is larger than any job file.
    #[error("is too large: {}the limit is {limit} bytes", bytes.map(|n| format!("{n} bytes, ")).unwrap_or_default())]
    TooLarge {
        /// Its size, when known.
        bytes: Option<u64>,
        /// The limit in bytes.
        limit: u64,
    },
    /// The document is not UTF-8.
    #[error("is not UTF-8 text: the byte at offset {offset} does not belong to any character")]
    NotUtf8 {
        /// The offset of the first bad byte.
        offset: usize,
    },
    /// The text is not YAML (or not JSON).
    #[error("malformed: {what}")]
    Malformed {
        /// The parser's words.
        what: String,
    },
    /// The document nests, repeats or refers to itself beyond every sensible measure.
    #[error("refused: {what}")]
    TooComplex {
        /// Which measure.
        what: String,
    },
    /// The document holds nothing.
    #[error("the document is empty")]
    Empty,
    /// A key is given twice in one map.
    #[error("the key is given twice{}", first_line.map(|n| format!(", first in line {n}")).unwrap_or_default())]
    DuplicateKey {
        /// The line of the first.
        first_line: Option<usize>,
    },
    /// A key that the schema does not have.
    #[error("unknown key{}", nearest.as_ref().map(|k| format!("; did you mean `{k}`?")).unwrap_or_default())]
    UnknownKey {
        /// The known key that looks most like it.
        nearest: Option<String>,
        /// Every key that is known there.
        known: Vec<&'static str>,
    },
    /// A key that the schema demands is absent.
    #[error("required, but missing")]
    MissingKey,
    /// A value of the wrong type.
    #[error("expected {expected}, found {found}{}", hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default())]
    WrongType {
        /// What the schema wants.
        expected: String,
        /// What is there.
        found: String,
        /// How to write it, when that is known.
        hint: Option<String>,
    },
    /// A value of the right type that is out of range or not among those allowed.
    #[error("expected {expected}, found {found}{}", nearest.as_ref().map(|k| format!("; did you mean `{k}`?")).unwrap_or_default())]
    Invalid {
        /// What the schema wants.
        expected: String,
        /// What is there.
        found: String,
        /// The allowed value that looks most like it.
        nearest: Option<String>,
    },
    /// Keys that contradict each other.
    #[error("{what}")]
    Contradiction {
        /// Which, and how.
        what: String,
    },
    /// A known thing that cannot be run yet.
    #[error("not supported yet: {what}{}", advice.map(|a| format!("; {a}")).unwrap_or_default())]
    Unsupported {
        /// The thing.
        what: String,
        /// What to do instead.
        advice: Option<&'static str>,
    },
    /// A document of a kind that is known but not supported.
    #[error(
        "the file is of kind `{kind}`, which is not supported yet; `job.command` and `compute.amlcompute` are"
    )]
    UnsupportedKind {
        /// The kind's name, such as `job.pipeline`.
        kind: String,
    },
    /// A document whose kind cannot be told.
    #[error("{what}")]
    UnknownKind {
        /// Why not.
        what: String,
    },
    /// An expression in a command that cannot be understood or refers to nothing.
    #[error("{what}{}", nearest.as_ref().map(|k| format!("; did you mean `{k}`?")).unwrap_or_default())]
    Expression {
        /// What is wrong with it.
        what: String,
        /// The known name that looks most like it.
        nearest: Option<String>,
    },
    /// A local path that does not lead to what the key needs.
    #[error("{what}")]
    LocalPath {
        /// What is wrong with it.
        what: String,
    },
}

impl SpecError {
    pub(crate) fn new(problem: Problem, place: Place) -> SpecError {
        SpecError(Box::new(Inner { problem, place, source: None }))
    }

    /// Attaches the text, so that the offending lines can be shown.
    pub(crate) fn with_source(mut self, source: &Arc<Source>) -> SpecError {
        if !source.name.is_empty() {
            self.0.place.file.get_or_insert_with(|| source.name.clone());
        }
        if !source.text.is_empty() {
            self.0.source = Some(Arc::clone(source));
        }
        self
    }

    /// Takes the text away again: for what must not be shown.
    pub(crate) fn without_source(mut self) -> SpecError {
        self.0.source = None;
        self
    }

    pub(crate) fn set_key(&mut self, key: &str) {
        self.0.place.key = Some(key.to_owned());
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// Whether the document is well formed and legal but asks for something that cannot be run yet.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.0.problem, Problem::Unsupported { .. } | Problem::UnsupportedKind { .. })
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column, key, .. } = &self.0.place;
        if let Some(file) = file {
            write!(f, "{file}:")?;
        }
        if let (Some(line), Some(column)) = (line, column) {
            write!(f, "{line}:{column}:")?;
        }
        if file.is_some() || line.is_some() {
            f.write_str(" ")?;
        }
        if let Some(key) = key {
            write!(f, "{key}: ")?;
        }
        self.0.problem.fmt(f)
    }
}

impl fmt::Debug for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The source's text stays out: it would drown the message, and may hold secrets.
        f.debug_struct("SpecError").field("problem", &self.0.problem).field("place", &self.0.place).finish()
    }
}

impl std::error::Error for SpecError {}

impl Diagnostic for SpecError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let code = match &self.0.problem {
            Problem::Unreadable { .. } | Problem::NotAFile { .. } => "spec::unreadable",
            Problem::TooLarge { .. } | Problem::TooComplex { .. } => "spec::too_large",
            Problem::NotUtf8 { .. } | Problem::Malformed { .. } | Problem::Empty => "spec::malformed",
            Problem::DuplicateKey { .. } => "spec::duplicate_key",
            Problem::UnknownKey { .. } => "spec::unknown_key",
            Problem::MissingKey => "spec::missing_key",
            Problem::WrongType { .. } => "spec::wrong_type",
            Problem::Invalid { .. } | Problem::Contradiction { .. } => "spec::invalid",
            Problem::Unsupported { .. } | Problem::UnsupportedKind { .. } => "spec::unsupported",
            Problem::UnknownKind { .. } => "spec::unknown_kind",
            Problem::Expression { .. } => "spec::expression",
            Problem::LocalPath { .. } => "spec::local_path",
        };
        Some(Box::new(code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match &self.0.problem {
            Problem::UnknownKey { known, .. } if !known.is_empty() => {
                Some(Box::new(format!("known here: {}", known.join(", "))))
            }
            _ => None,
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let source = self.0.source.as_ref()?;
        self.0.place.span.map(|_| &source.text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.0.place.span?;
        self.0.source.as_ref()?;
        let label = match &self.0.problem {
            Problem::UnknownKey { .. } => "unknown",
            Problem::DuplicateKey { .. } => "again",
            Problem::Unsupported { .. } | Problem::UnsupportedKind { .. } => "not supported yet",
            _ => "here",
        };
        Some(Box::new(std::iter::once(LabeledSpan::new(Some(label.to_owned()), span.0, span.1))))
    }
}
