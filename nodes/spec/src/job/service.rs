//! Interactive services beside a command.

use indexmap::IndexMap;
use serde::Serialize;

use crate::error::SpecError;
use crate::fields::{Field, Shape};
use crate::tree::Value;

/// An interactive service that runs beside the command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    /// Which service; none for one of the service's own that a downloaded file may list.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ServiceKind>,
    /// The port that it listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `all` when it runs on every node, not only the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
    /// Further settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<serde_json::Map<String, serde_json::Value>>,
    /// SSH: who may log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_public_keys: Option<String>,
    /// TensorBoard: what it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_dir: Option<String>,
}

/// The services there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are Azure ML's and say it all")]
pub enum ServiceKind {
    Ssh,
    TensorBoard,
    VsCode,
    JupyterLab,
}

const KINDS: [(&str, ServiceKind); 4] = [
    ("ssh", ServiceKind::Ssh),
    ("tensor_board", ServiceKind::TensorBoard),
    ("vs_code", ServiceKind::VsCode),
    ("jupyter_lab", ServiceKind::JupyterLab),
];
/// What the service itself lists for a run; such an entry is legal and says nothing.
const SYSTEM_KINDS: [&str; 4] = ["custom", "tracking", "studio", "raydashboard"];

pub(crate) const SHAPE: Shape = Shape {
    known: &["type", "port", "nodes", "properties", "ssh_public_keys", "log_dir"],
    read_only: &["$schema", "endpoint", "status", "error_message"],
};

pub(crate) fn read_all(field: &Field<'_>) -> Result<IndexMap<String, Service>, SpecError> {
    let service = |(name, value): (&str, Field<'_>)| Ok((name.to_owned(), Service::read(&value)?));
    field.entries()?.into_iter().map(service).collect()
}

impl Service {
    fn read(field: &Field<'_>) -> Result<Service, SpecError> {
        let fields = field.shaped(&SHAPE)?;
        let system = matches!(
            fields.get("type").map(|field| &field.node.value),
            Some(Value::Text(word)) if SYSTEM_KINDS.contains(&word.to_lowercase().as_str())
        );
        let kind = match fields.get("type") {
            _ if system => None,
            Some(field) => Some(field.choice(&KINDS, str::to_lowercase)?),
            // The real client takes the first service that has the keys given.
            None if fields.get("log_dir").is_some() => Some(ServiceKind::TensorBoard),
            None => Some(ServiceKind::Ssh),
        };
        for (key, owner, name) in [
            ("ssh_public_keys", ServiceKind::Ssh, "ssh"),
            ("log_dir", ServiceKind::TensorBoard, "tensor_board"),
        ] {
            if let Some(field) = fields.get(key).filter(|_| kind != Some(owner)) {
                return Err(field.contradiction(format!("only a service of type `{name}` has this key")));
            }
        }
        let nodes = |field: &Field<'_>| field.choice(&[("all", "all")], str::to_owned).map(str::to_owned);
        let port = fields.read("port", |field| field.whole(0, 65_535))?;
        let properties = |field: &Field<'_>| match field.node.to_json() {
            serde_json::Value::Object(map) => Ok(map),
            _ => Err(field.wrong_type("a map")),
        };
        Ok(Service {
            kind,
            port: port.and_then(|port| u16::try_from(port).ok()),
            nodes: fields.read("nodes", nodes)?,
            properties: fields.read("properties", properties)?,
            ssh_public_keys: fields.text("ssh_public_keys")?,
            log_dir: fields.text("log_dir")?,
        })
    }
}
