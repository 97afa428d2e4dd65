//! A document as a tree of values that know where they stand: what YAML and JSON are read into.

mod json;
mod scalar;
mod yaml;

pub(crate) use yaml::parse as parse_yaml;

/// How deep a document may nest.
pub(crate) const DEPTH_LIMIT: usize = 64;

/// A place in the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The line, from 1; 0 when the value did not come from text.
    pub(crate) line: usize,
    /// The column in characters, from 1.
    pub(crate) column: usize,
    /// The first byte.
    pub(crate) offset: usize,
    /// How many bytes.
    pub(crate) length: usize,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) spot: Spot,
}

/// One key of a map, with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// The key is `on` without quotes, which YAML 1.1 reads as a boolean: a key where a schema has it, else a slip.
    pub(crate) is_boolean: bool,
    pub(crate) spot: Spot,
    pub(crate) node: Node,
}

/// What a node holds. Maps keep the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

impl Value {
    /// The value in words, for messages: long text is cut.
    pub(crate) fn describe(&self) -> String {
        match self {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("the boolean {value}"),
            Value::Int(value) => format!("the number {value}"),
            Value::Float(value) => format!("the number {value}"),
            Value::Text(text) => format!("the text \"{}\"", shorten(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }
}

/// The first line of a text, at most 60 characters of it.
pub(crate) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(60).collect();
    if short.len() < text.trim_end().len() {
        short.push('…');
    }
    short
}
