//! Outputs: files and folders that the command writes.

use indexmap::IndexMap;
use serde::Serialize;

use super::input::{DataKind, check_name};
use crate::error::SpecError;
use crate::fields::{Field, Shape};
use crate::literal::Literal;
use crate::tree::Value;

/// A file or folder that the command writes and Tidegate keeps. A bare key is an output folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Output {
    /// What it is; `uri_folder` when the file does not say.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<DataKind>,
    /// How it leaves the node; `rw_mount` when the file does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<OutputMode>,
    /// Where it is to be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The asset that it is registered as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version of that asset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How an output leaves the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputMode {
    /// Another word for `rw_mount`.
    Mount,
    /// Stored when the command has ended.
    Upload,
    /// Written through a mount.
    RwMount,
    /// The reference itself.
    Direct,
}

const MODES: [(&str, OutputMode); 4] = [
    ("rw_mount", OutputMode::RwMount),
    ("upload", OutputMode::Upload),
    ("direct", OutputMode::Direct),
    ("mount", OutputMode::Mount),
];

pub(crate) const SHAPE: Shape =
    Shape { known: &["type", "mode", "path", "name", "version"], read_only: &["$schema"] };

pub(crate) fn read_all(field: &Field<'_>) -> Result<IndexMap<String, Output>, SpecError> {
    let output = |(name, value): (&str, Field<'_>)| {
        check_name(name, &value)?;
        Ok((name.to_owned(), Output::read(&value)?))
    };
    field.entries()?.into_iter().map(output).collect()
}

impl Output {
    fn read(field: &Field<'_>) -> Result<Output, SpecError> {
        if field.node.value == Value::Null {
            return Ok(Output::default());
        }
        let fields = field.shaped(&SHAPE)?;
        let version = fields.get("version");
        let output = Output {
            kind: fields.read("type", |field| field.choice(&DataKind::WORDS, str::to_lowercase))?,
            mode: fields.read("mode", |field| field.choice(&MODES, str::to_lowercase))?,
            path: fields.text("path")?,
            name: fields.text("name")?,
            version: version.as_ref().map(read_version).transpose()?,
        };
        match version {
            Some(version) if output.name.is_none() => {
                Err(version.contradiction("a version needs the `name` of the asset that it is a version of"))
            }
            _ => Ok(output),
        }
    }

    /// What the output is, by the default where the file does not say.
    pub fn kind(&self) -> DataKind {
        self.kind.unwrap_or(DataKind::UriFolder)
    }
}

/// A version is text; a number is taken as the text that Python makes of it.
pub(crate) fn read_version(field: &Field<'_>) -> Result<String, SpecError> {
    match Literal::read(field)? {
        Literal::Bool(_) => Err(field.wrong_type("text")),
        literal => Ok(literal.to_text()),
    }
}
