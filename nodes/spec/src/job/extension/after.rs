//! Runs that must end before another one starts.

use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::fmt;

use crate::error::SpecError;
use crate::fields::{Field, Shape};
use crate::tree::Value;

/// A run that must end first. Written as its name, where it must end well, else as a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// Its name.
    pub run: String,
    /// How it must end.
    pub on: DependsOn,
}

/// How a run must end before another one starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DependsOn {
    /// Well.
    #[default]
    Completed,
    /// Not well: failed, or cancelled.
    Failed,
    /// However.
    Ended,
}

impl DependsOn {
    /// The way of ending with this name.
    pub fn named(word: &str) -> Option<DependsOn> {
        WORDS.iter().find(|(known, _)| *known == word).map(|(_, on)| *on)
    }
}

impl fmt::Display for DependsOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DependsOn::Completed => "completed",
            DependsOn::Failed => "failed",
            DependsOn::Ended => "ended",
        })
    }
}

impl Serialize for After {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.on == DependsOn::Completed {
            return serializer.serialize_str(&self.run);
        }
        let mut map = serializer.serialize_struct("After", 2)?;
        map.serialize_field("run", &self.run)?;
        map.serialize_field("on", &self.on.to_string())?;
        map.end()
    }
}

pub(crate) const SHAPE: Shape = Shape { known: &["run", "on"], read_only: &[] };

const WORDS: [(&str, DependsOn); 3] =
    [("completed", DependsOn::Completed), ("failed", DependsOn::Failed), ("ended", DependsOn::Ended)];

pub(super) fn read_all(field: &Field<'_>) -> Result<Vec<After>, SpecError> {
    field.list()?.iter().map(read).collect()
}

fn read(field: &Field<'_>) -> Result<After, SpecError> {
    const NAME: &str = "the name of a run";
    match &field.node.value {
        Value::Text(_) => Ok(After { run: field.name(NAME)?, on: DependsOn::default() }),
        Value::Map(_) => {
            let fields = field.shaped(&SHAPE)?;
            let on = fields.read("on", |field| field.choice(&WORDS, str::to_lowercase))?;
            Ok(After { run: fields.need("run")?.name(NAME)?, on: on.unwrap_or_default() })
        }
        _ => Err(field.wrong_type("the name of a run, or a map with `run` and `on`")),
    }
}
