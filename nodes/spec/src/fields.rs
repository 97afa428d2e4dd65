//! Reading a tree by a schema: each value with the key that leads to it, and errors that say so.

use std::sync::Arc;

use crate::error::{Place, Problem, SpecError};
use crate::nearest::nearest;
use crate::source::Source;
use crate::tree::{Entry, Node, Spot, Value};

/// The keys that a map may have.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Keys that mean something.
    pub(crate) known: &'static [&'static str],
    /// Keys that the service fills in: they may stand in a file that was downloaded, and are passed over.
    pub(crate) read_only: &'static [&'static str],
}

/// A value, the dotted key that leads to it, and where the key stands.
#[derive(Clone)]
pub(crate) struct Field<'a> {
    pub(crate) node: &'a Node,
    pub(crate) key: String,
    pub(crate) spot: Spot,
    source: &'a Arc<Source>,
}

impl<'a> Field<'a> {
    pub(crate) fn root(node: &'a Node, source: &'a Arc<Source>) -> Field<'a> {
        Field { node, key: String::new(), spot: node.spot, source }
    }

    pub(crate) fn source(&self) -> &'a Arc<Source> {
        self.source
    }

    fn child(&self, entry: &'a Entry) -> Field<'a> {
        Field { node: &entry.node, key: dotted(&self.key, &entry.key), spot: entry.spot, source: self.source }
    }

    /// An error about the value.
    pub(crate) fn error(&self, problem: Problem) -> SpecError {
        // An empty value has no place of its own; its key has.
        let spot = if self.node.spot.length == 0 { self.spot } else { self.node.spot };
        refuse(problem, spot, &self.key, self.source)
    }

    pub(crate) fn wrong_type(&self, expected: &str) -> SpecError {
        let hint = match (&self.node.value, expected) {
            (Value::Bool(_) | Value::Int(_) | Value::Float(_), "text") => self.quoted(),
            (Value::Null, _) => Some("give it a value or leave the key out".to_owned()),
            _ => None,
        };
        let found = self.node.value.describe();
        self.error(Problem::WrongType { expected: expected.to_owned(), found, hint })
    }

    fn quoted(&self) -> Option<String> {
        let Spot { offset, length, .. } = self.node.spot;
        let written = self.source.text.get(offset..offset + length).filter(|text| !text.is_empty())?;
        Some(format!("quote it: \"{written}\""))
    }

    pub(crate) fn invalid(&self, expected: impl Into<String>) -> SpecError {
        let found = self.node.value.describe();
        self.error(Problem::Invalid { expected: expected.into(), found, nearest: None })
    }

    pub(crate) fn contradiction(&self, what: impl Into<String>) -> SpecError {
        self.error(Problem::Contradiction { what: what.into() })
    }

    pub(crate) fn text(&self) -> Result<String, SpecError> {
        match &self.node.value {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(self.wrong_type("text")),
        }
    }

    /// Text that is not empty.
    pub(crate) fn name(&self, expected: &str) -> Result<String, SpecError> {
        match self.text()? {
            text if text.is_empty() => Err(self.invalid(expected)),
            text => Ok(text),
        }
    }

    /// Text that no message may show.
    pub(crate) fn secret(&self) -> Result<String, SpecError> {
        match &self.node.value {
            Value::Text(text) => Ok(text.clone()),
            _ => {
                let (expected, found) = ("text".to_owned(), "a value of another type (not shown)".to_owned());
                Err(self.error(Problem::WrongType { expected, found, hint: None }).without_source())
            }
        }
    }

    /// A whole number within limits. Like the real client, takes `2.0` and `"2"`; unlike it, never cuts
    /// a fraction off.
    pub(crate) fn whole(&self, least: i64, most: i64) -> Result<i64, SpecError> {
        let number = match &self.node.value {
            Value::Int(number) => *number,
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => *number as i64,
            Value::Text(text) => text.trim().parse().map_err(|_| self.wrong_type("a whole number"))?,
            _ => return Err(self.wrong_type("a whole number")),
        };
        if (least..=most).contains(&number) {
            return Ok(number);
        }
        // A limit that only the machine sets helps nobody.
        let limit = if most < i64::from(u32::MAX) { format!(" to {most}") } else { String::new() };
        Err(self.invalid(format!("a whole number from {least}{limit}")))
    }

    /// A whole number from `least` that fits 32 bits.
    pub(crate) fn count(&self, least: u32) -> Result<u32, SpecError> {
        let number = self.whole(i64::from(least), i64::from(u32::MAX))?;
        u32::try_from(number).map_err(|_| self.wrong_type("a whole number"))
    }

    /// A boolean, also in the spellings that the real client takes as text.
    pub(crate) fn boolean(&self) -> Result<bool, SpecError> {
        match &self.node.value {
            Value::Bool(value) => Ok(*value),
            Value::Int(0) => Ok(false),
            Value::Int(1) => Ok(true),
            Value::Text(text) => match text.to_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
                "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
                _ => Err(self.wrong_type("true or false")),
            },
            _ => Err(self.wrong_type("true or false")),
        }
    }

    /// One of a few words. `fold` brings the written form to that of the words.
    pub(crate) fn choice<T: Copy>(
        &self,
        words: &[(&'static str, T)],
        fold: impl Fn(&str) -> String,
    ) -> Result<T, SpecError> {
        let written = self.text()?;
        let folded = fold(&written);
        if let Some((_, choice)) = words.iter().find(|(word, _)| *word == folded) {
            return Ok(*choice);
        }
        let names = || words.iter().map(|(word, _)| *word);
        Err(self.error(Problem::Invalid {
            expected: format!("one of {}", names().collect::<Vec<_>>().join(", ")),
            found: self.node.value.describe(),
            nearest: nearest(&written, names()).map(str::to_owned),
        }))
    }

    pub(crate) fn list(&self) -> Result<Vec<Field<'a>>, SpecError> {
        let Value::List(items) = &self.node.value else { return Err(self.wrong_type("a list")) };
        let item = |(index, node): (usize, &'a Node)| Field {
            node,
            key: format!("{}[{index}]", self.key),
            spot: node.spot,
            source: self.source,
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// The entries of a map whose keys are the user's own.
    pub(crate) fn entries(&self) -> Result<Vec<(&'a str, Field<'a>)>, SpecError> {
        let Value::Map(entries) = &self.node.value else { return Err(self.wrong_type("a map")) };
        if let Some(slip) = entries.iter().find(|entry| entry.is_boolean) {
            return Err(refuse(boolean_key(&slip.key), slip.spot, "", self.source));
        }
        Ok(entries.iter().map(|entry| (entry.key.as_str(), self.child(entry))).collect())
    }

    /// A map that somebody else understands, as JSON.
    pub(crate) fn object(&self) -> Result<serde_json::Map<String, serde_json::Value>, SpecError> {
        let entries = self.entries()?.into_iter();
        Ok(entries.map(|(key, field)| (key.to_owned(), field.node.to_json())).collect())
    }

    /// The map behind this field, its keys checked against a shape.
    pub(crate) fn shaped(&self, shape: &'static Shape) -> Result<Fields<'a>, SpecError> {
        let Value::Map(entries) = &self.node.value else { return Err(self.wrong_type("a map")) };
        for entry in entries {
            let key = entry.key.as_str();
            if !shape.known.contains(&key) && !shape.read_only.contains(&key) {
                if entry.is_boolean {
                    return Err(refuse(boolean_key(key), entry.spot, "", self.source));
                }
                let problem = Problem::UnknownKey {
                    nearest: nearest(key, shape.known.iter().copied()).map(str::to_owned),
                    known: shape.known.to_vec(),
                };
                return Err(refuse(problem, entry.spot, &dotted(&self.key, key), self.source));
            }
        }
        Ok(Fields { entries, whole: self.clone() })
    }
}

/// The entries of a map with known keys.
pub(crate) struct Fields<'a> {
    entries: &'a [Entry],
    pub(crate) whole: Field<'a>,
}

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<Field<'a>> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| self.whole.child(entry))
    }

    pub(crate) fn need(&self, key: &str) -> Result<Field<'a>, SpecError> {
        self.get(key).ok_or_else(|| {
            let key = dotted(&self.whole.key, key);
            refuse(Problem::MissingKey, Spot { length: 0, ..self.whole.spot }, &key, self.whole.source)
        })
    }

    /// Reads a key, if it is there, in the given way.
    pub(crate) fn read<T>(
        &self,
        key: &str,
        how: impl FnOnce(&Field<'a>) -> Result<T, SpecError>,
    ) -> Result<Option<T>, SpecError> {
        self.get(key).as_ref().map(how).transpose()
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, SpecError> {
        self.read(key, Field::text)
    }
}

fn dotted(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// A key of the user's own that YAML reads as a boolean.
fn boolean_key(written: &str) -> Problem {
    Problem::WrongType {
        expected: "text as a key".to_owned(),
        found: "the boolean true".to_owned(),
        hint: Some(format!("quote it: \"{written}\"")),
    }
}

fn refuse(problem: Problem, spot: Spot, key: &str, source: &Arc<Source>) -> SpecError {
    let known = spot.line > 0;
    let place = Place {
        file: None,
        line: known.then_some(spot.line),
        column: known.then_some(spot.column),
        key: (!key.is_empty()).then(|| key.to_owned()),
        span: known.then_some((spot.offset, spot.length)),
    };
    SpecError::new(problem, place).with_source(source)
}
