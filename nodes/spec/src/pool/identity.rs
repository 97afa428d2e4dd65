//! As whom the nodes of a pool act.

use serde::Serialize;

use crate::error::SpecError;
use crate::fields::{Field, Shape};
use crate::job::snake_case;

/// As whom the nodes of a pool act towards other services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolIdentity {
    /// Which kinds of identity.
    #[serde(rename = "type")]
    pub kind: PoolIdentityKind,
    /// Identities made beforehand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_assigned_identities: Vec<UserAssignedIdentity>,
}

/// An identity made beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserAssignedIdentity {
    /// Its resource id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
}

/// The kinds of a pool's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are Azure ML's and say it all")]
pub enum PoolIdentityKind {
    SystemAssigned,
    UserAssigned,
    #[serde(rename = "system_assigned,user_assigned")]
    Both,
    None,
}

const KINDS: [(&str, PoolIdentityKind); 4] = [
    ("system_assigned", PoolIdentityKind::SystemAssigned),
    ("user_assigned", PoolIdentityKind::UserAssigned),
    ("none", PoolIdentityKind::None),
    ("system_assigned,user_assigned", PoolIdentityKind::Both),
];

pub(crate) const SHAPE: Shape = Shape {
    known: &["type", "user_assigned_identities"],
    read_only: &["$schema", "principal_id", "tenant_id"],
};
pub(crate) const USER_ASSIGNED: Shape =
    Shape { known: &["resource_id"], read_only: &["$schema", "principal_id", "client_id", "tenant_id"] };

impl PoolIdentity {
    pub(crate) fn read(field: &Field<'_>) -> Result<PoolIdentity, SpecError> {
        let fields = field.shaped(&SHAPE)?;
        let assigned = |field: &Field<'_>| {
            let one = |field: &Field<'_>| {
                let fields = field.shaped(&USER_ASSIGNED)?;
                Ok(UserAssignedIdentity { resource_id: fields.text("resource_id")? })
            };
            field.list()?.iter().map(one).collect()
        };
        Ok(PoolIdentity {
            kind: fields.need("type")?.choice(&KINDS, snake_case)?,
            user_assigned_identities: fields.read("user_assigned_identities", assigned)?.unwrap_or_default(),
        })
    }
}
