//! The expressions in a command: `${{inputs.x}}`, `${{outputs.y}}`, `${{name}}`, and optional parts `$[[ ... ]]`.

use std::collections::BTreeSet;
use std::fmt;

use crate::error::{Place, Problem, SpecError};
use crate::nearest::nearest;

/// A command, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Reference(Reference),
    /// Vanishes when something that it refers to is absent.
    Optional(Vec<Part>),
}

/// What an expression refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// `${{inputs.NAME}}`: a literal's text, or the path of a file or folder.
    Input(String),
    /// `${{outputs.NAME}}`: the path of a file or folder.
    Output(String),
    /// `${{name}}`: the run's name.
    Name,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Input(name) => write!(f, "inputs.{name}"),
            Reference::Output(name) => write!(f, "outputs.{name}"),
            Reference::Name => f.write_str("name"),
        }
    }
}

/// What is wrong with a command, and the part of it that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) what: String,
    pub(crate) nearest: Option<String>,
    pub(crate) fragment: String,
    /// The first byte of the fragment in the command, where it is known.
    pub(crate) offset: Option<usize>,
}

impl Template {
    /// Parses a command.
    ///
    /// # Errors
    /// An expression that is not closed, or that refers to what no command can refer to; the place is the line
    /// and column within the command.
    pub fn parse(command: &str) -> Result<Template, SpecError> {
        Template::parse_parts(command).map_err(|flaw| {
            let before = &command[..flaw.offset.unwrap_or_default()];
            let place = Place {
                line: Some(before.matches('\n').count() + 1),
                column: Some(before.chars().rev().take_while(|c| *c != '\n').count() + 1),
                key: Some("command".to_owned()),
                ..Place::default()
            };
            SpecError::new(Problem::Expression { what: flaw.what, nearest: flaw.nearest }, place)
        })
    }

    pub(crate) fn parse_parts(command: &str) -> Result<Template, Flaw> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(found) = command[at..].find("$[[").map(|found| at + found) {
            references(&command[at..found], at, &mut parts)?;
            let body = found + "$[[".len();
            let unclosed = || flaw_at(command, found, "an optional part is not closed: `]]` is missing");
            let end = body + closing(&command[body..]).ok_or_else(unclosed)?;
            let mut inner = Vec::new();
            references(&command[body..end], body, &mut inner)?;
            parts.push(Part::Optional(inner));
            at = end + "]]".len();
        }
        references(&command[at..], at, &mut parts)?;
        Ok(Template { parts })
    }

    /// Checks that every input referred to is there. Inside an optional part it may be absent.
    pub(crate) fn check_inputs<'a>(&self, known: impl Iterator<Item = &'a str>) -> Result<(), Flaw> {
        let known: BTreeSet<&str> = known.collect();
        for (reference, optional) in self.walk() {
            if let Reference::Input(name) = reference
                && !optional
            {
                lookup(reference, name, "input", &known)?;
            }
        }
        Ok(())
    }

    /// Checks that every output referred to is there.
    pub(crate) fn check_outputs<'a>(&self, known: impl Iterator<Item = &'a str>) -> Result<(), Flaw> {
        let known: BTreeSet<&str> = known.collect();
        for reference in self.references() {
            if let Reference::Output(name) = reference {
                lookup(reference, name, "output", &known)?;
            }
        }
        Ok(())
    }

    /// Every reference, in order.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.walk().into_iter().map(|(reference, _)| reference)
    }

    /// The command with every reference replaced by what it stands for, verbatim: nothing is quoted for a shell.
    ///
    /// # Errors
    /// A reference outside an optional part for which `value` has nothing.
    pub fn render(&self, value: impl Fn(&Reference) -> Option<String>) -> Result<String, SpecError> {
        let mut command = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => command.push_str(text),
                Part::Reference(reference) => command.push_str(&value(reference).ok_or_else(|| {
                    let what = format!("`${{{{{reference}}}}}` has no value");
                    let place = Place { key: Some("command".to_owned()), ..Place::default() };
                    SpecError::new(Problem::Expression { what, nearest: None }, place)
                })?),
                Part::Optional(inner) => {
                    command.push_str(&optional(inner, &value).unwrap_or_default());
                }
            }
        }
        Ok(command)
    }

    fn walk(&self) -> Vec<(&Reference, bool)> {
        let mut all = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(_) => {}
                Part::Reference(reference) => all.push((reference, false)),
                Part::Optional(inner) => all.extend(inner.iter().filter_map(|part| match part {
                    Part::Reference(reference) => Some((reference, true)),
                    _ => None,
                })),
            }
        }
        all
    }
}

fn lookup(reference: &Reference, name: &str, side: &str, known: &BTreeSet<&str>) -> Result<(), Flaw> {
    if known.contains(name) {
        return Ok(());
    }
    Err(Flaw {
        what: format!("`${{{{{reference}}}}}` refers to an {side} that the job does not have"),
        nearest: nearest(name, known.iter().copied()).map(|near| format!("{side}s.{near}")),
        fragment: reference.to_string(),
        offset: None,
    })
}

fn optional(parts: &[Part], value: &impl Fn(&Reference) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Reference(reference) => text.push_str(&value(reference)?),
            Part::Optional(_) => return None,
        }
    }
    Some(text)
}

/// Where the `]]` of an optional part is: not one inside an expression.
fn closing(body: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let end = at + body[at..].find("]]")?;
        match body[at..end].find("${{") {
            None => return Some(end),
            // An expression that is not closed is reported when the references are read.
            Some(start) => match body[at + start..].find("}}") {
                None => return Some(end),
                Some(close) => at += start + close + "}}".len(),
            },
        }
    }
}

/// Splits a text without optional parts. `offset` is where it starts in the command.
fn references(text: &str, offset: usize, parts: &mut Vec<Part>) -> Result<(), Flaw> {
    let mut rest = text;
    let mut start = offset;
    let plain = |text: &str, parts: &mut Vec<Part>| {
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
    };
    while let Some(found) = rest.find("${{") {
        plain(&rest[..found], parts);
        let body = &rest[found + "${{".len()..];
        let Some(length) = body.find("}}") else {
            return Err(flaw_at(
                text,
                start - offset + found,
                "an expression is not closed: `}}` is missing",
            )
            .moved(offset));
        };
        let reference = reference(&body[..length]).map_err(|what| Flaw {
            what,
            nearest: None,
            fragment: rest[found..found + "${{}}".len() + length].to_owned(),
            offset: Some(start + found),
        })?;
        parts.push(Part::Reference(reference));
        let taken = found + "${{}}".len() + length;
        rest = &rest[taken..];
        start += taken;
    }
    plain(rest, parts);
    Ok(())
}

fn reference(body: &str) -> Result<Reference, String> {
    let body = body.trim();
    let word = |name: &str| {
        let whole =
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        whole.then(|| name.to_owned())
    };
    let parsed = match body.split_once('.') {
        Some(("inputs", name)) => word(name).map(Reference::Input),
        Some(("outputs", name)) => word(name).map(Reference::Output),
        None if body == "name" => Some(Reference::Name),
        _ => None,
    };
    parsed.ok_or_else(|| {
        let short = crate::tree::shorten(body);
        format!("`${{{{{short}}}}}` is nothing that a command can refer to: there are `inputs.NAME`, `outputs.NAME` and `name`")
    })
}

fn flaw_at(text: &str, offset: usize, what: &str) -> Flaw {
    let fragment = text[offset..].lines().next().unwrap_or_default().to_owned();
    Flaw { what: what.to_owned(), nearest: None, fragment, offset: Some(offset) }
}

impl Flaw {
    fn moved(mut self, by: usize) -> Flaw {
        self.offset = self.offset.map(|offset| offset + by);
        self
    }
}

/// The deprecated single braces, `{inputs.x}`, as double ones: the real client reads them so.
pub(crate) fn double_braces(command: &str) -> String {
    let mut result = String::with_capacity(command.len());
    let mut rest = command;
    while let Some(found) = rest.find('{') {
        let (before, tail) = rest.split_at(found);
        result.push_str(before);
        let single = !result.ends_with('{') && !tail.starts_with("{{");
        let body = single.then(|| single_expression(tail)).flatten();
        match body {
            Some(body) => {
                result.push_str(&format!("${{{{{body}}}}}"));
                rest = &tail[body.len() + 2..];
            }
            None => {
                result.push('{');
                rest = &tail[1..];
            }
        }
    }
    result.push_str(rest);
    result
}

/// What is between the braces of `{inputs.x}` at the start of a text.
fn single_expression(text: &str) -> Option<&str> {
    let end = text.find('}')?;
    let body = &text[1..end];
    let side = ["inputs.", "outputs.", "search_space."].iter().any(|side| body.starts_with(side));
    (side && !text[end + 1..].starts_with('}')).then_some(body)
}

#[cfg(test)]
#[path = "expand_tests.rs"]
mod tests;
