//! A pool's REST body.

use serde_json::{Map, Value, json};

use super::{Object, RestBody};
use crate::duration::iso8601;
use crate::pool::{NetworkSettings, PoolIdentity, PoolIdentityKind, PoolSpec, SshSettings, Tier};

/// The region of a pool that names none: that of the workspace it is in.
const OWN_REGION: &str = "local";

impl RestBody for PoolSpec {
    fn rest_body(&self) -> Value {
        let mut scale = Object::default();
        scale.put("maxNodeCount", self.max_instances);
        scale.put("minNodeCount", self.min_instances);
        let idle = Some(self.idle_time_before_scale_down).filter(|seconds| *seconds > 0);
        scale.maybe("nodeIdleTimeBeforeScaleDown", idle.map(iso8601));

        let mut vms = Object::default();
        vms.put("vmSize", self.size());
        vms.maybe(
            "vmPriority",
            self.tier.map(|tier| match tier {
                Tier::Dedicated => "Dedicated",
                Tier::LowPriority => "LowPriority",
            }),
        );
        vms.maybe("userAccountCredentials", self.ssh_settings.as_ref().map(credentials));
        vms.put("scaleSettings", scale);
        vms.maybe("subnet", self.network_settings.as_ref().and_then(subnet));
        vms.put(
            "remoteLoginPortPublicAccess",
            match self.ssh_public_access_enabled {
                Some(true) => "Enabled",
                Some(false) => "Disabled",
                None => "NotSpecified",
            },
        );
        vms.put("enableNodePublicIp", self.enable_node_public_ip);
        vms.put("osType", "Linux");

        let mut properties = Object::default();
        properties.maybe("description", self.description.clone());
        properties.put("computeType", "AmlCompute");
        properties.put("properties", vms);
        properties.put("disableLocalAuth", self.ssh_settings.is_none());

        let mut body = Object::default();
        body.put("location", self.location.clone().unwrap_or_else(|| OWN_REGION.to_owned()));
        body.put("properties", properties);
        body.maybe("identity", self.identity.as_ref().map(identity));
        body.maybe("tags", self.tags.as_ref().map(|tags| json!(tags)));
        body.into()
    }
}

fn credentials(ssh: &SshSettings) -> Object {
    let mut body = Object::default();
    body.maybe("adminUserName", ssh.admin_username.clone());
    body.maybe("adminUserPassword", ssh.admin_password.clone());
    body.maybe("adminUserSshPublicKey", ssh.ssh_key_value.clone());
    body
}

fn subnet(network: &NetworkSettings) -> Option<Value> {
    let subnet = network.subnet.as_ref()?;
    let id = match &network.vnet_name {
        Some(vnet) => format!("/providers/Microsoft.Network/virtualNetworks/{vnet}/subnets/{subnet}"),
        None => subnet.clone(),
    };
    Some(json!({ "id": id }))
}

fn identity(identity: &PoolIdentity) -> Object {
    let mut body = Object::default();
    body.put(
        "type",
        match identity.kind {
            PoolIdentityKind::SystemAssigned => "SystemAssigned",
            PoolIdentityKind::UserAssigned => "UserAssigned",
            PoolIdentityKind::Both => "SystemAssigned,UserAssigned",
            PoolIdentityKind::None => "None",
        },
    );
    let ids = identity.user_assigned_identities.iter().filter_map(|assigned| assigned.resource_id.clone());
    let assigned: Map<String, Value> = ids.map(|id| (id, json!({}))).collect();
    body.maybe("userAssignedIdentities", (!assigned.is_empty()).then_some(assigned));
    body
}
