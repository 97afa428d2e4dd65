//! YAML text into a tree, by the parser's events: duplicate keys, alias bombs and deep nesting are refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};

use super::scalar;
use super::{DEPTH_LIMIT, Entry, Node, Spot, Value};
use crate::error::{Place, Problem, SpecError};
use crate::source::Source;

/// How many values a document may hold once its aliases are expanded.
const NODE_LIMIT: usize = 100_000;
/// How many bytes of text a document may hold once its aliases are expanded.
const TEXT_LIMIT: usize = 8 * 1024 * 1024;

/// Parses a text that holds exactly one document.
pub(crate) fn parse(source: &Arc<Source>) -> Result<Node, SpecError> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = DEPTH_LIMIT;
    options.block_nesting_limit = DEPTH_LIMIT;
    let mut builder =
        Builder { source, stack: Vec::new(), anchors: BTreeMap::new(), root: None, spent: Size::default() };
    // A byte order mark is legal before a document and means nothing.
    let marked = if source.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    for event in Parser::new_from_str_with_options(&source.text[marked..], options) {
        let (event, span) = event.map_err(|error| {
            let mark = error.marker();
            let spot = Spot {
                line: mark.line(),
                column: mark.col() + 1,
                offset: (mark.byte_offset().unwrap_or_default() + marked).min(source.text.len()),
                length: 0,
            };
            builder.refuse(Problem::Malformed { what: error.info() }, spot)
        })?;
        builder.take(event, spot(&span, marked))?;
    }
    match builder.root {
        Some(node) if node.value != Value::Null => Ok(node),
        _ => Err(builder.refuse(Problem::Empty, Spot { line: 1, column: 1, ..Spot::default() })),
    }
}

fn spot(span: &Span, marked: usize) -> Spot {
    let range = span.byte_range().unwrap_or_default();
    Spot {
        line: span.start.line(),
        column: span.start.col() + 1,
        offset: range.start + marked,
        length: range.len(),
    }
}

/// What a tree costs: counted again for every alias, since each is a copy.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    text: usize,
    depth: usize,
}

/// A collection whose end has not been seen.
struct Open {
    anchor: usize,
    spot: Spot,
    size: Size,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, lines: BTreeMap<String, usize>, merged: Vec<Entry>, key: Option<Key> },
}

enum Key {
    Name {
        name: String,
        is_boolean: bool,
        spot: Spot,
    },
    /// `<<`: the value's entries are taken over unless the map has its own.
    Merge(Spot),
}

struct Builder<'s> {
    source: &'s Arc<Source>,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, (Node, Size)>,
    root: Option<Node>,
    spent: Size,
}

impl Builder<'_> {
    fn refuse(&self, problem: Problem, spot: Spot) -> SpecError {
        let place = Place {
            line: Some(spot.line),
            column: Some(spot.column),
            key: None,
            span: Some((spot.offset, spot.length)),
            file: None,
        };
        SpecError::new(problem, place).with_source(self.source)
    }

    fn take(&mut self, event: Event<'_>, spot: Spot) -> Result<(), SpecError> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                let what = "a second document starts here; a file holds one".to_owned();
                Err(self.refuse(Problem::Malformed { what }, spot))
            }
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(Open { content: Content::Map { key: key @ None, .. }, .. }) =
                    self.stack.last_mut()
                    && style == ScalarStyle::Plain
                    && tag.is_none()
                    && text == "<<"
                {
                    *key = Some(Key::Merge(spot));
                    return Ok(());
                }
                let value = self.scalar(&text, style, tag.as_deref(), spot)?;
                let size = Size { nodes: 1, text: text.len(), depth: 0 };
                self.complete(Node { value, spot }, size, anchor)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    let what = "an alias to a value that holds the alias itself".to_owned();
                    return Err(self.refuse(Problem::TooComplex { what }, spot));
                };
                self.spend(size, spot)?;
                self.place(Node { spot, ..node }, size)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(anchor, tag.as_deref(), "seq", spot, Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let content = Content::Map {
                    entries: Vec::new(),
                    lines: BTreeMap::new(),
                    merged: Vec::new(),
                    key: None,
                };
                self.open(anchor, tag.as_deref(), "map", spot, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => Ok(()),
        }
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        spot: Spot,
    ) -> Result<Value, SpecError> {
        let Some(tag) = tag else {
            return Ok(match style {
                ScalarStyle::Plain => scalar::resolve(text),
                _ => Value::Text(text.to_owned()),
            });
        };
        let forced = match tag.core_suffix() {
            Some("str") => Some(Value::Text(text.to_owned())),
            Some("int") => scalar::integer(text),
            Some("float") => match scalar::integer(text) {
                Some(Value::Int(number)) => Some(Value::Float(number as f64)),
                _ => scalar::float(text).map(Value::Float),
            },
            Some("bool") => scalar::boolean(text).map(Value::Bool),
            Some("null") => scalar::null(text),
            _ => None,
        };
        forced.ok_or_else(|| {
            let what = format!("the tag `{tag}` does not fit here; leave it out");
            self.refuse(Problem::Malformed { what }, spot)
        })
    }

    fn open(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        own: &str,
        spot: Spot,
        content: Content,
    ) -> Result<(), SpecError> {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(own)) {
            let what = format!("the tag `{tag}` does not fit here; leave it out");
            return Err(self.refuse(Problem::Malformed { what }, spot));
        }
        if self.stack.len() >= DEPTH_LIMIT {
            let what = format!("nested more than {DEPTH_LIMIT} deep");
            return Err(self.refuse(Problem::TooComplex { what }, spot));
        }
        self.stack.push(Open { anchor, spot, size: Size { nodes: 1, text: 0, depth: 1 }, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), SpecError> {
        let Some(Open { anchor, spot, size, content }) = self.stack.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { mut entries, mut lines, merged, .. } => {
                for entry in merged {
                    if lines.insert(entry.key.clone(), entry.spot.line).is_none() {
                        entries.push(entry);
                    }
                }
                Value::Map(entries)
            }
        };
        self.complete(Node { value, spot }, size, anchor)
    }

    /// A value is whole: it counts, can be referred to from now on, and goes where it belongs.
    fn complete(&mut self, node: Node, size: Size, anchor: usize) -> Result<(), SpecError> {
        self.spend(
            Size { nodes: 1, text: if size.nodes == 1 { size.text } else { 0 }, depth: 0 },
            node.spot,
        )?;
        if anchor != 0 {
            // The copy that waits for its aliases is a cost as well.
            self.spend(size, node.spot)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        self.place(node, size)
    }

    fn place(&mut self, node: Node, size: Size) -> Result<(), SpecError> {
        if self.stack.len() + size.depth > DEPTH_LIMIT {
            let what = format!("nested more than {DEPTH_LIMIT} deep");
            return Err(self.refuse(Problem::TooComplex { what }, node.spot));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.size.nodes += size.nodes;
        open.size.text += size.text;
        open.size.depth = open.size.depth.max(size.depth + 1);
        match &mut open.content {
            Content::List(items) => {
                items.push(node);
                Ok(())
            }
            Content::Map { entries, lines, merged, key } => match key.take() {
                None => {
                    let name = self.key_name(node)?;
                    if let Some(Open { content: Content::Map { key, .. }, .. }) = self.stack.last_mut() {
                        *key = Some(name);
                    }
                    Ok(())
                }
                Some(Key::Name { name, is_boolean, spot }) => {
                    lines.insert(name.clone(), spot.line);
                    entries.push(Entry { key: name, is_boolean, spot, node });
                    Ok(())
                }
                Some(Key::Merge(spot)) => match merge_entries(node) {
                    Some(maps) => {
                        merged.extend(maps);
                        Ok(())
                    }
                    None => {
                        let what = "`<<` takes a map, or a list of maps".to_owned();
                        Err(self.refuse(Problem::Malformed { what }, spot))
                    }
                },
            },
        }
    }

    /// A key must be text, and new in its map.
    fn key_name(&self, node: Node) -> Result<Key, SpecError> {
        let written = self.source.text.get(node.spot.offset..node.spot.offset + node.spot.length);
        let is_boolean = matches!(node.value, Value::Bool(_));
        let name = match node.value {
            Value::Text(name) => name,
            Value::Bool(_) if written == Some("on") => "on".to_owned(),
            other => {
                let hint = match (&other, written) {
                    (Value::List(_) | Value::Map(_) | Value::Null, _) | (_, None) => None,
                    (_, Some(written)) => Some(format!("quote it: \"{written}\"")),
                };
                let problem = Problem::WrongType {
                    expected: "text as a key".to_owned(),
                    found: other.describe(),
                    hint,
                };
                return Err(self.refuse(problem, node.spot));
            }
        };
        if let Some(Open { content: Content::Map { lines, .. }, .. }) = self.stack.last()
            && let Some(first) = lines.get(&name)
        {
            let mut error = self.refuse(Problem::DuplicateKey { first_line: Some(*first) }, node.spot);
            error.set_key(&name);
            return Err(error);
        }
        Ok(Key::Name { name, is_boolean, spot: node.spot })
    }

    fn spend(&mut self, size: Size, spot: Spot) -> Result<(), SpecError> {
        self.spent.nodes = self.spent.nodes.saturating_add(size.nodes);
        self.spent.text = self.spent.text.saturating_add(size.text);
        if self.spent.nodes > NODE_LIMIT || self.spent.text > TEXT_LIMIT {
            let what = format!(
                "more than {NODE_LIMIT} values or {TEXT_LIMIT} bytes of text once its aliases are expanded"
            );
            return Err(self.refuse(Problem::TooComplex { what }, spot));
        }
        Ok(())
    }
}

fn merge_entries(node: Node) -> Option<Vec<Entry>> {
    match node.value {
        Value::Map(entries) => Some(entries),
        Value::List(items) => {
            let maps = items.into_iter().map(|item| match item.value {
                Value::Map(entries) => Some(entries),
                _ => None,
            });
            maps.collect::<Option<Vec<_>>>().map(|maps| maps.into_iter().flatten().collect())
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
