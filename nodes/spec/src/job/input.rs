//! Inputs: literals, and files, folders, tables or models.

use indexmap::IndexMap;
use serde::Serialize;

use crate::data_path::DataPath;
use crate::error::SpecError;
use crate::fields::{Field, Shape};
use crate::literal::Literal;
use crate::tree::Value;

/// One input. In YAML and JSON a literal is the bare value, data is a map.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Input {
    /// A value.
    Literal(Literal),
    /// A file or folder.
    Data(DataInput),
}

/// A file or folder that the command reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataInput {
    /// What it is; `uri_folder` when the file does not say.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<DataKind>,
    /// Where it is.
    pub path: DataPath,
    /// How it reaches the command; `ro_mount` when the file does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<InputMode>,
    /// Where on the node it is mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_on_compute: Option<String>,
    /// The datastore that a local path is uploaded to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datastore: Option<String>,
}

/// What an input or output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are Azure ML's and say it all")]
pub enum DataKind {
    UriFile,
    UriFolder,
    Mltable,
    CustomModel,
    MlflowModel,
    TritonModel,
}

/// How an input reaches the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InputMode {
    /// A read-only mount.
    RoMount,
    /// A copy.
    Download,
    /// The reference itself.
    Direct,
    /// The mount of what a table names.
    EvalMount,
    /// A copy of what a table names.
    EvalDownload,
}

impl DataKind {
    pub(crate) const WORDS: [(&'static str, DataKind); 6] = [
        ("uri_file", DataKind::UriFile),
        ("uri_folder", DataKind::UriFolder),
        ("mltable", DataKind::Mltable),
        ("custom_model", DataKind::CustomModel),
        ("mlflow_model", DataKind::MlflowModel),
        ("triton_model", DataKind::TritonModel),
    ];

    /// The word for it, the same in YAML and REST.
    pub fn name(self) -> &'static str {
        match self {
            DataKind::UriFile => "uri_file",
            DataKind::UriFolder => "uri_folder",
            DataKind::Mltable => "mltable",
            DataKind::CustomModel => "custom_model",
            DataKind::MlflowModel => "mlflow_model",
            DataKind::TritonModel => "triton_model",
        }
    }
}

const MODES: [(&str, InputMode); 3] =
    [("ro_mount", InputMode::RoMount), ("download", InputMode::Download), ("direct", InputMode::Direct)];
const TABLE_MODES: [(&str, InputMode); 5] = [
    ("ro_mount", InputMode::RoMount),
    ("download", InputMode::Download),
    ("direct", InputMode::Direct),
    ("eval_mount", InputMode::EvalMount),
    ("eval_download", InputMode::EvalDownload),
];

pub(crate) const SHAPE: Shape =
    Shape { known: &["type", "path", "mode", "path_on_compute", "datastore"], read_only: &[] };

pub(crate) fn read_all(field: &Field<'_>) -> Result<IndexMap<String, Input>, SpecError> {
    let input = |(name, value): (&str, Field<'_>)| {
        check_name(name, &value)?;
        Ok((name.to_owned(), Input::read(&value)?))
    };
    field.entries()?.into_iter().map(input).collect()
}

/// Names of inputs and outputs are words: they appear in expressions and file names.
pub(crate) fn check_name(name: &str, value: &Field<'_>) -> Result<(), SpecError> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    Err(value.contradiction("a name has letters, digits and underscores, and does not start with a digit"))
}

impl Input {
    fn read(field: &Field<'_>) -> Result<Input, SpecError> {
        match &field.node.value {
            Value::Map(entries) if matches!(entries.as_slice(), [only] if only.key == "value") => {
                let (_, value) = field.entries()?.remove(0);
                Literal::read(&value).map(Input::Literal)
            }
            Value::Map(_) => Input::read_data(field),
            Value::Null | Value::List(_) => {
                Err(field.wrong_type("a literal, or a map with the `path` of a file or folder"))
            }
            _ => Literal::read(field).map(Input::Literal),
        }
    }

    fn read_data(field: &Field<'_>) -> Result<Input, SpecError> {
        let fields = field.shaped(&SHAPE)?;
        let kind = fields.read("type", |field| field.choice(&DataKind::WORDS, str::to_lowercase))?;
        let path = fields.need("path")?;
        let written = path.text()?;
        if written.is_empty() {
            return Err(path.invalid("a path or a reference"));
        }
        if written.starts_with("${{") && written.ends_with("}}") {
            // An expression stands for a value: this is how the real client reads it.
            return Ok(Input::Literal(Literal::Text(written)));
        }
        let mode = fields.read("mode", |field| match kind {
            Some(DataKind::Mltable) => field.choice(&TABLE_MODES, str::to_lowercase),
            _ => field.choice(&MODES, str::to_lowercase),
        })?;
        let path_on_compute = fields.get("path_on_compute");
        if let Some(field) = path_on_compute.as_ref()
            && matches!(kind, Some(DataKind::CustomModel | DataKind::MlflowModel | DataKind::TritonModel))
        {
            return Err(field.contradiction("a model cannot be given a path on the node"));
        }
        Ok(Input::Data(DataInput {
            kind,
            path: data_path(&written),
            mode,
            path_on_compute: path_on_compute.as_ref().map(Field::text).transpose()?,
            datastore: fields.text("datastore")?,
        }))
    }

    /// The data behind the input, when it is not a literal.
    pub fn data(&self) -> Option<&DataInput> {
        match self {
            Input::Data(data) => Some(data),
            Input::Literal(_) => None,
        }
    }
}

impl DataInput {
    /// What the input is, by the default where the file does not say.
    pub fn kind(&self) -> DataKind {
        self.kind.unwrap_or(DataKind::UriFolder)
    }
}

/// An input's path may also name a registered asset without a scheme: `name@label`.
fn data_path(written: &str) -> DataPath {
    let asset = written.split_once('@').is_some_and(|(name, label)| {
        let word = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        word(name) && word(label)
    });
    if asset { DataPath::Uri(written.to_owned()) } else { DataPath::parse(written) }
}
