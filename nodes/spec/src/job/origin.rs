//! Where the keys of a job stand in its file, so that later checks can point at them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Place, Problem, SpecError};
use crate::expand::Flaw;
use crate::fields::Field;
use crate::source::Source;
use crate::tree::{Spot, Value};

/// The file and the place of every key in it; empty for a job that came as JSON.
#[derive(Clone, Default)]
pub(crate) struct Origin {
    source: Option<Arc<Source>>,
    keys: BTreeMap<String, Places>,
}

#[derive(Clone, Copy)]
struct Places {
    key: Spot,
    value: Spot,
}

impl Origin {
    pub(crate) fn of(root: &Field<'_>) -> Origin {
        if root.spot.line == 0 {
            return Origin::default();
        }
        let mut keys = BTreeMap::new();
        collect(root, &mut keys);
        Origin { source: Some(Arc::clone(root.source())), keys }
    }

    /// An error about a key, at the key.
    pub(crate) fn error(&self, key: &str, problem: Problem) -> SpecError {
        self.at(key, self.keys.get(key).map(|places| places.key), problem)
    }

    /// An error about a part of the command, at that part where it can be found in the text.
    pub(crate) fn flaw_in_command(&self, flaw: Flaw) -> SpecError {
        let spot = self.keys.get("command").map(|places| self.within(places.value, &flaw.fragment));
        self.at("command", spot, Problem::Expression { what: flaw.what, nearest: flaw.nearest })
    }

    fn at(&self, key: &str, spot: Option<Spot>, problem: Problem) -> SpecError {
        let place = Place {
            file: None,
            line: spot.map(|spot| spot.line),
            column: spot.map(|spot| spot.column),
            key: Some(key.to_owned()),
            span: spot.map(|spot| (spot.offset, spot.length)),
        };
        let error = SpecError::new(problem, place);
        match &self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    /// The first place of a fragment within a value; the value's own when folding has hidden it.
    fn within(&self, value: Spot, fragment: &str) -> Spot {
        let text = self.source.as_ref().map_or("", |source| source.text.as_str());
        let found = text.get(value.offset..value.offset + value.length).and_then(|text| text.find(fragment));
        let Some(at) = found else { return value };
        let offset = value.offset + at;
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Spot {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            offset,
            length: fragment.len(),
        }
    }
}

fn collect(field: &Field<'_>, keys: &mut BTreeMap<String, Places>) {
    if !matches!(field.node.value, Value::Map(_)) {
        return;
    }
    for (_, child) in field.entries().unwrap_or_default() {
        keys.insert(child.key.clone(), Places { key: child.spot, value: child.node.spot });
        collect(&child, keys);
    }
}

/// Two jobs are equal when they say the same, wherever they say it.
impl PartialEq for Origin {
    fn eq(&self, _: &Origin) -> bool {
        true
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.source.is_some() { "Origin(file)" } else { "Origin(none)" })
    }
}
