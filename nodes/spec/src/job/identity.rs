//! As whom a run acts towards other services.

use serde::Serialize;

use crate::error::SpecError;
use crate::fields::{Field, Shape};

/// As whom a run acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Which kind of identity.
    #[serde(rename = "type")]
    pub kind: IdentityKind,
    /// Managed: the client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Managed: the object id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
    /// Managed: the resource id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msi_resource_id: Option<String>,
}

/// The kinds of identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// One that the pool has been given.
    Managed,
    /// A token of the workspace.
    AmlToken,
    /// The user who submits.
    UserIdentity,
}

const KINDS: [(&str, IdentityKind); 4] = [
    ("managed", IdentityKind::Managed),
    ("managed_identity", IdentityKind::Managed),
    ("aml_token", IdentityKind::AmlToken),
    ("user_identity", IdentityKind::UserIdentity),
];

pub(crate) const SHAPE: Shape =
    Shape { known: &["type", "client_id", "object_id", "msi_resource_id"], read_only: &[] };

impl Identity {
    pub(crate) fn read(field: &Field<'_>) -> Result<Identity, SpecError> {
        let fields = field.shaped(&SHAPE)?;
        let kind = fields.need("type")?.choice(&KINDS, snake_case)?;
        for key in ["client_id", "object_id", "msi_resource_id"] {
            if let Some(field) = fields.get(key).filter(|_| kind != IdentityKind::Managed) {
                return Err(field.contradiction("only an identity of type `managed` has this key"));
            }
        }
        Ok(Identity {
            kind,
            client_id: fields.text("client_id")?,
            object_id: fields.text("object_id")?,
            msi_resource_id: fields.text("msi_resource_id")?,
        })
    }
}

/// `UserIdentity`, `AMLToken` and `systemAssigned` in snake case, part by part between commas.
pub(crate) fn snake_case(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut snake = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let after_word = at > 0 && (letters[at - 1].is_ascii_lowercase() || letters[at - 1].is_ascii_digit());
        let before_word = at > 0
            && letters[at - 1].is_ascii_uppercase()
            && letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && (after_word || before_word) {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn camels_become_snakes() {
        for (camel, snake) in [
            ("UserIdentity", "user_identity"),
            ("AMLToken", "aml_token"),
            ("managed", "managed"),
            ("SystemAssigned,UserAssigned", "system_assigned,user_assigned"),
            ("user_identity", "user_identity"),
        ] {
            assert_eq!(snake_case(camel), snake);
        }
    }
}
