//! What history reads from a run's body: the little that lists show and filter by.
//!
//! The body is another crate's matter; here it is JSON whose keys may be absent or different.

use serde::Deserialize;
use serde_json::Value;

/// What lists need to know of a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) display_name: Option<String>,
    pub(super) tags: Vec<(String, Option<String>)>,
}

#[derive(Deserialize)]
struct Body {
    display_name: Option<Value>,
    tags: Option<Value>,
}

/// The labels in a body; none in one that is no JSON object.
pub(super) fn labels(body: &[u8]) -> Labels {
    let Ok(Body { display_name, tags }) = serde_json::from_slice(body) else { return Labels::default() };
    let tags = match tags {
        Some(Value::Object(tags)) => {
            tags.into_iter().map(|(key, value)| (key, value.as_str().map(str::to_owned))).collect()
        }
        _ => Vec::new(),
    };
    Labels { display_name: display_name.and_then(|name| name.as_str().map(str::to_owned)), tags }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_where_they_are() {
        let body = br#"{"command": "x", "display_name": "D", "tags": {"a": "1", "b": null}}"#;
        let tags = vec![("a".into(), Some("1".into())), ("b".into(), None)];
        assert_eq!(labels(body), Labels { display_name: Some("D".into()), tags });
        for other in [&b"{}"[..], b"[]", b"\xff", b"", br#"{"display_name": 3, "tags": [1]}"#] {
            assert_eq!(labels(other), Labels::default());
        }
    }
}
