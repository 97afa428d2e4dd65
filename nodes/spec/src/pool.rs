//! A pool of VMs: Azure ML's `amlcompute`.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Place, Problem, SpecError};
use crate::fields::{Field, Shape};
use crate::job::Origin;
use crate::source::Source;
use crate::tree::Node;

mod identity;
mod queue;

pub use identity::{PoolIdentity, PoolIdentityKind, UserAssignedIdentity};
#[cfg(test)]
pub(crate) use identity::{SHAPE as IDENTITY, USER_ASSIGNED};
pub use queue::QueueOrder;

/// The size of a pool that names none.
pub const DEFAULT_SIZE: &str = "STANDARD_DS3_V2";
/// The most instances of a pool that does not say.
pub const DEFAULT_MAX_INSTANCES: u32 = 4;
/// The idle seconds of a pool that does not say.
pub const DEFAULT_IDLE_TIME: u64 = 120;

/// A pool, as Azure ML's `amlcompute` schema has it. Serialised it has the YAML's keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PoolSpec {
    /// The pool's name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The VM size as written; see [`PoolSpec::size`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// The tier; see [`PoolSpec::tier`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The least nodes that are kept; 0 when the file does not say.
    pub min_instances: u32,
    /// The most nodes that are started; 4 when the file does not say.
    pub max_instances: u32,
    /// Seconds that a node may be idle before it is given back; 120 when the file does not say.
    pub idle_time_before_scale_down: u64,
    /// Tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<IndexMap<String, String>>,
    /// As whom the nodes act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<PoolIdentity>,
    /// A user who may log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_settings: Option<SshSettings>,
    /// Whether the nodes' SSH port is open to everyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_public_access_enabled: Option<bool>,
    /// The network that the nodes are in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_settings: Option<NetworkSettings>,
    /// Whether the nodes have addresses of their own; true when the file does not say.
    pub enable_node_public_ip: bool,
    /// The resource behind an attached pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// What Azure ML has no word for: [`PoolSpec::team`], [`PoolSpec::order`], and beside them how its provider makes
    /// nodes, which this provider alone understands, and checks. Not part of the REST body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tidegate: Option<serde_json::Map<String, serde_json::Value>>,
    /// Where each key stands, when the pool was read from YAML.
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// Whether the provider may take the VMs back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// It may not.
    #[default]
    Dedicated,
    /// It may, at any time.
    LowPriority,
}

/// A user who may log in to the nodes.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct SshSettings {
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_username: Option<String>,
    /// The user's password. It appears in no message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_password: Option<String>,
    /// The user's public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_key_value: Option<String>,
}

impl fmt::Debug for SshSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshSettings").field("admin_username", &self.admin_username).finish_non_exhaustive()
    }
}

/// The network that the nodes are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkSettings {
    /// The virtual network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vnet_name: Option<String>,
    /// The subnet, by name or by its whole resource id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
}

pub(crate) const SHAPE: Shape = Shape {
    known: &[
        "$schema",
        "type",
        "name",
        "description",
        "location",
        "size",
        "tier",
        "min_instances",
        "max_instances",
        "idle_time_before_scale_down",
        "tags",
        "identity",
        "ssh_settings",
        "ssh_public_access_enabled",
        "network_settings",
        "enable_node_public_ip",
        "resource_id",
        "tidegate",
    ],
    read_only: &["id", "provisioning_errors", "created_on", "provisioning_state"],
};
pub(crate) const SSH: Shape =
    Shape { known: &["admin_username", "admin_password", "ssh_key_value"], read_only: &[] };
pub(crate) const NETWORK: Shape = Shape {
    known: &["vnet_name", "subnet"],
    read_only: &["$schema", "public_ip_address", "private_ip_address"],
};

const TIERS: [(&str, Tier); 2] = [("low_priority", Tier::LowPriority), ("dedicated", Tier::Dedicated)];
/// A thousand years: what is longer is a slip, and would overflow a timer in milliseconds.
const LONGEST: i64 = 1000 * 365 * 86_400;

impl PoolSpec {
    pub(crate) fn read(root: &Field<'_>) -> Result<PoolSpec, SpecError> {
        let fields = root.shaped(&SHAPE)?;
        fields.read("type", |field| field.choice(&[("amlcompute", ())], str::to_lowercase))?;
        let name = fields.need("name")?;
        let tags = |field: &Field<'_>| {
            let tag = |(name, value): (&str, Field<'_>)| Ok((name.to_owned(), value.text()?));
            field.entries()?.into_iter().map(tag).collect()
        };
        let max_instances = fields.get("max_instances");
        let pool = PoolSpec {
            name: name.name("a name")?,
            description: fields.text("description")?,
            location: fields.text("location")?,
            size: fields.text("size")?.filter(|size| !size.is_empty()),
            tier: fields.read("tier", |field| field.choice(&TIERS, str::to_lowercase))?,
            min_instances: fields.read("min_instances", |field| field.count(0))?.unwrap_or_default(),
            max_instances: max_instances
                .as_ref()
                .map(|f| f.count(0))
                .transpose()?
                .unwrap_or(DEFAULT_MAX_INSTANCES),
            idle_time_before_scale_down: fields
                .read("idle_time_before_scale_down", |field| field.whole(0, LONGEST))?
                .map_or(DEFAULT_IDLE_TIME, i64::unsigned_abs),
            tags: fields.read("tags", tags)?,
            identity: fields.read("identity", PoolIdentity::read)?,
            ssh_settings: fields.read("ssh_settings", SshSettings::read)?,
            ssh_public_access_enabled: fields.read("ssh_public_access_enabled", Field::boolean)?,
            network_settings: fields.read("network_settings", NetworkSettings::read)?,
            enable_node_public_ip: fields.read("enable_node_public_ip", Field::boolean)?.unwrap_or(true),
            resource_id: fields.text("resource_id")?,
            tidegate: fields.read("tidegate", queue::read)?,
            origin: Origin::of(root),
        };
        if pool.min_instances > pool.max_instances {
            let what = format!(
                "min_instances ({}) is more than max_instances ({})",
                pool.min_instances, pool.max_instances
            );
            return Err(fields.get("min_instances").unwrap_or(name).contradiction(what));
        }
        Ok(pool)
    }

    /// Takes a pool from a JSON value, validated by the same rules as a file.
    ///
    /// # Errors
    /// As for a file; places are keys without lines.
    pub fn from_json(value: &serde_json::Value) -> Result<PoolSpec, SpecError> {
        let malformed = |error: serde_json::Error| {
            SpecError::new(Problem::Malformed { what: error.to_string() }, Place::default())
        };
        Node::deserialize(value).map_err(malformed).and_then(|node| PoolSpec::from_node(&node))
    }

    fn from_node(node: &Node) -> Result<PoolSpec, SpecError> {
        let source: Arc<Source> = Source::new("", "");
        PoolSpec::read(&Field::root(node, &source))
    }

    /// The VM size, by the default where the file does not say.
    pub fn size(&self) -> &str {
        self.size.as_deref().unwrap_or(DEFAULT_SIZE)
    }

    /// The tier, by the default where the file does not say.
    pub fn tier(&self) -> Tier {
        self.tier.unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for PoolSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PoolSpec, D::Error> {
        let node = Node::deserialize(deserializer)?;
        PoolSpec::from_node(&node).map_err(serde::de::Error::custom)
    }
}

impl SshSettings {
    fn read(field: &Field<'_>) -> Result<SshSettings, SpecError> {
        let fields = field.shaped(&SSH)?;
        Ok(SshSettings {
            admin_username: fields.text("admin_username")?,
            admin_password: fields.read("admin_password", Field::secret)?,
            ssh_key_value: fields.text("ssh_key_value")?,
        })
    }
}

impl NetworkSettings {
    fn read(field: &Field<'_>) -> Result<NetworkSettings, SpecError> {
        let fields = field.shaped(&NETWORK)?;
        let settings =
            NetworkSettings { vnet_name: fields.text("vnet_name")?, subnet: fields.text("subnet")? };
        if settings.vnet_name.is_some() && settings.subnet.is_none() {
            return Err(field.contradiction("a `vnet_name` needs a `subnet`"));
        }
        Ok(settings)
    }
}
