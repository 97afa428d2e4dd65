//! From a file or a text to a typed document.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Place, Problem, SpecError};
use crate::fields::Field;
use crate::job::CommandJob;
use crate::kind;
use crate::pool::PoolSpec;
use crate::source::{FILE_LIMIT, Source};
use crate::tree::parse_yaml;

/// What a file describes.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// A command job.
    Command(Box<CommandJob>),
    /// A pool.
    Pool(Box<PoolSpec>),
}

impl Document {
    /// The kind's name: `job.command` or `compute.amlcompute`.
    pub fn kind(&self) -> &'static str {
        match self {
            Document::Command(_) => kind::COMMAND_JOB,
            Document::Pool(_) => kind::POOL,
        }
    }
}

/// Reads a YAML file of at most [`FILE_LIMIT`] bytes.
///
/// A relative path in the file, and the default experiment, start at the file's own folder. Whether the
/// paths lead anywhere is not checked here: see [`CommandJob::local_paths`].
///
/// # Errors
/// The file cannot be read, is not UTF-8 or not YAML, is of a kind that is not supported, or breaks its schema.
pub fn read_file(path: impl AsRef<Path>) -> Result<Document, SpecError> {
    let path = path.as_ref();
    let source = Source::read(path)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    read(&source, folder)
}

/// Reads YAML text that has the given name in messages; relative paths start at `folder`.
///
/// # Errors
/// As [`read_file`].
pub fn read_str(text: &str, name: &str, folder: impl AsRef<Path>) -> Result<Document, SpecError> {
    if text.len() as u64 > FILE_LIMIT {
        let problem = Problem::TooLarge { bytes: Some(text.len() as u64), limit: FILE_LIMIT };
        return Err(SpecError::new(problem, Place::in_file(name)));
    }
    read(&Source::new(name, text), folder.as_ref())
}

pub(crate) fn read(source: &Arc<Source>, folder: &Path) -> Result<Document, SpecError> {
    let tree = parse_yaml(source)?;
    let root = Field::root(&tree, source);
    let (kind, decided_by) = kind::of(&root)?;
    match kind.as_str() {
        kind::COMMAND_JOB => {
            CommandJob::read(&root, Some(folder)).map(|job| Document::Command(Box::new(job)))
        }
        kind::POOL => PoolSpec::read(&root).map(|pool| Document::Pool(Box::new(pool))),
        other => Err(decided_by.error(Problem::UnsupportedKind { kind: other.to_owned() })),
    }
}

/// Reads arbitrary bytes in every way there is; for fuzzing, which asks only that it returns.
pub fn fuzz_read(bytes: &[u8]) {
    if let Ok(source) = Source::from_bytes("fuzz.yml", bytes.to_vec())
        && let Ok(Document::Command(job)) = read(&source, Path::new("/nonexistent"))
    {
        drop(crate::rest::rest_body(&*job));
        drop(crate::supported::unsupported(&job));
    }
    if let Ok(job) = CommandJob::from_json_bytes(bytes) {
        drop(crate::rest::rest_body(&job));
        drop(crate::supported::unsupported(&job));
    }
}
