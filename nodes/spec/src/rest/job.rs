//! A command job's REST body.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Object, RestBody};
use crate::duration::iso8601;
use crate::job::{
    CommandJob, Distribution, DistributionKind, DockerArgs, EnvironmentRef, Identity, IdentityKind, Input,
    InputMode, JobTier, Output, OutputMode, Priority, QueueSettings, Resources, Service, ServiceKind,
};

impl RestBody for CommandJob {
    fn rest_body(&self) -> Value {
        let local = self.compute.as_deref().is_some_and(|compute| compute.eq_ignore_ascii_case("local"));
        let mut body = Object::default();
        body.maybe(
            "displayName",
            self.display_name.clone().filter(|name| !name.is_empty()).or(self.name.clone()),
        );
        body.maybe("description", self.description.clone());
        body.put("command", self.command.clone());
        body.maybe("codeId", self.code.as_ref().map(|code| code.as_str()));
        let compute = self.compute.as_deref().filter(|_| !local);
        body.maybe("computeId", compute.map(|name| name.strip_prefix("azureml:").unwrap_or(name)));
        body.put("properties", labels(&self.properties));
        body.maybe("experimentName", self.experiment_name.clone());
        body.put("isArchived", false);
        body.put("inputs", map(&self.inputs, input));
        body.put("outputs", map(&self.outputs, output));
        body.put("environmentId", environment(&self.environment));
        body.maybe("distribution", self.distribution.as_ref().map(distribution));
        body.put("tags", labels(&self.tags));
        body.maybe("identity", self.identity.as_ref().map(identity));
        let mut variables = map(&self.environment_variables, |value| serde_json::json!(value));
        if local {
            variables.insert("AZUREML_COMPUTE_USE_COMMON_RUNTIME".to_owned(), "true".into());
        }
        body.put("environmentVariables", variables);
        let none = Resources::default();
        body.maybe(
            "resources",
            self.resources.as_ref().or(local.then_some(&none)).map(|r| resources(r, local)),
        );
        body.maybe(
            "limits",
            self.limits.map(|limits| {
                let mut body = Object::default();
                body.maybe("timeout", limits.timeout.filter(|seconds| *seconds > 0).map(iso8601));
                body.put("jobLimitsType", "Command");
                body
            }),
        );
        body.maybe("services", self.services.as_ref().map(|services| map(services, service)));
        body.maybe("queueSettings", self.queue_settings.as_ref().map(queue));
        body.maybe("parentJobName", self.parent_job_name.clone());
        body.put("jobType", "Command");
        let mut whole = Object::default();
        whole.put("properties", body);
        whole.into()
    }
}

fn map<V>(entries: &indexmap::IndexMap<String, V>, value: impl Fn(&V) -> Value) -> Map<String, Value> {
    entries.iter().map(|(key, entry)| (key.clone(), value(entry))).collect()
}

fn labels(labels: &indexmap::IndexMap<String, Option<String>>) -> Map<String, Value> {
    map(labels, |value| value.clone().into())
}

fn input(input: &Input) -> Value {
    let mut body = Object::default();
    match input {
        Input::Literal(literal) => {
            body.put("value", literal.to_text());
            body.put("jobInputType", "literal");
        }
        Input::Data(data) => {
            body.put("uri", data.path.as_str());
            body.maybe(
                "mode",
                data.mode.map(|mode| match mode {
                    InputMode::RoMount => "ReadOnlyMount",
                    InputMode::Download => "Download",
                    InputMode::Direct => "Direct",
                    InputMode::EvalMount => "EvalMount",
                    InputMode::EvalDownload => "EvalDownload",
                }),
            );
            body.put("jobInputType", data.kind().name());
        }
    }
    body.into()
}

fn output(output: &Output) -> Value {
    let mut body = Object::default();
    body.maybe("assetName", output.name.clone());
    body.maybe("uri", output.path.clone());
    body.maybe(
        "mode",
        output.mode.map(|mode| match mode {
            OutputMode::Mount | OutputMode::RwMount => "ReadWriteMount",
            OutputMode::Upload => "Upload",
            OutputMode::Direct => "Direct",
        }),
    );
    body.put("jobOutputType", output.kind().name());
    body.maybe("assetVersion", output.version.clone());
    body.into()
}

/// A reference stays as it is; a description is registered under its digest, as the client does it.
fn environment(environment: &EnvironmentRef) -> String {
    match environment {
        EnvironmentRef::Reference(written) => written.clone(),
        EnvironmentRef::Inline(inline) => {
            let described = serde_json::json!(inline).to_string();
            let digest = Sha256::digest(described.as_bytes());
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("azureml:CliV2AnonymousEnvironment:{hex}")
        }
    }
}

fn distribution(distribution: &Distribution) -> Object {
    let mut body = Object::default();
    let name = match &distribution.kind {
        DistributionKind::PyTorch { process_count_per_instance } => {
            body.maybe("processCountPerInstance", *process_count_per_instance);
            "PyTorch"
        }
        DistributionKind::Mpi { process_count_per_instance } => {
            body.maybe("processCountPerInstance", *process_count_per_instance);
            "Mpi"
        }
        DistributionKind::TensorFlow { parameter_server_count, worker_count } => {
            body.put("parameterServerCount", parameter_server_count.unwrap_or(0));
            body.maybe("workerCount", *worker_count);
            "TensorFlow"
        }
        DistributionKind::Ray {
            port,
            address,
            include_dashboard,
            dashboard_port,
            head_node_additional_args,
            worker_node_additional_args,
        } => {
            body.maybe("port", *port);
            body.maybe("address", address.clone());
            body.maybe("includeDashboard", *include_dashboard);
            body.maybe("dashboardPort", *dashboard_port);
            body.maybe("headNodeAdditionalArgs", head_node_additional_args.clone());
            body.maybe("workerNodeAdditionalArgs", worker_node_additional_args.clone());
            "Ray"
        }
    };
    body.put("distributionType", name);
    body
}

fn identity(identity: &Identity) -> Object {
    let mut body = Object::default();
    body.maybe("clientId", identity.client_id.clone());
    body.maybe("objectId", identity.object_id.clone());
    body.maybe("resourceId", identity.msi_resource_id.clone());
    body.put(
        "identityType",
        match identity.kind {
            IdentityKind::Managed => "Managed",
            IdentityKind::AmlToken => "AMLToken",
            IdentityKind::UserIdentity => "UserIdentity",
        },
    );
    body
}

fn resources(resources: &Resources, local: bool) -> Object {
    let mut body = Object::default();
    body.maybe("instanceCount", resources.instance_count);
    body.maybe("instanceType", resources.instance_type.clone());
    let mut properties = capacity_properties(resources.properties.as_ref());
    if local {
        properties.insert("IsLocal".to_owned(), serde_json::json!({"IsLocal": true}));
    }
    body.put("properties", properties);
    body.maybe("shmSize", resources.shm_size.clone());
    match &resources.docker_args {
        // Together with a list the client sends neither regions nor the most instances.
        Some(DockerArgs::List(list)) if !list.is_empty() => {
            body.put("dockerArgsList", list.clone());
            return body;
        }
        Some(DockerArgs::List(list)) => body.put("dockerArgs", list.clone()),
        Some(DockerArgs::Line(line)) => body.put("dockerArgs", line.clone()),
        None => {}
    }
    body.maybe("locations", resources.locations.clone());
    body.maybe("maxInstanceCount", resources.max_instance_count);
    body
}

/// Some keys are known in any case and under older names; what has no value is left out.
fn capacity_properties(properties: Option<&Map<String, Value>>) -> Map<String, Value> {
    let known = |key: &str| match key.to_lowercase().as_str() {
        "aisupercomputer" | "singularity" => "AISuperComputer".to_owned(),
        "itp" => "itp".to_owned(),
        "target_selector" => "target_selector".to_owned(),
        _ => key.to_owned(),
    };
    let present = properties.into_iter().flatten().filter(|(_, value)| !value.is_null());
    present.map(|(key, value)| (known(key), without_nulls(value))).collect()
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let present = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(present.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

fn service(service: &Service) -> Value {
    let mut body = Object::default();
    body.maybe(
        "jobServiceType",
        service.kind.map(|kind| match kind {
            ServiceKind::Ssh => "SSH",
            ServiceKind::TensorBoard => "TensorBoard",
            ServiceKind::VsCode => "VSCode",
            ServiceKind::JupyterLab => "JupyterLab",
        }),
    );
    body.maybe("nodes", service.nodes.as_ref().map(|_| serde_json::json!({"nodesValueType": "All"})));
    body.maybe("port", service.port);
    let mut properties = service.properties.clone();
    for (key, value) in [("sshPublicKeys", &service.ssh_public_keys), ("logDir", &service.log_dir)] {
        if let Some(value) = value {
            properties.get_or_insert_default().insert(key.to_owned(), value.clone().into());
        }
    }
    body.maybe("properties", properties);
    body.into()
}

fn queue(queue: &QueueSettings) -> Object {
    let mut body = Object::default();
    body.maybe(
        "jobTier",
        queue.job_tier.map(|tier| match tier {
            JobTier::Null => "Null",
            JobTier::Spot => "Spot",
            JobTier::Basic => "Basic",
            JobTier::Standard => "Standard",
            JobTier::Premium => "Premium",
        }),
    );
    body.maybe(
        "priority",
        queue.priority.map(|priority| match priority {
            Priority::Low => 1,
            Priority::Medium => 2,
            Priority::High => 3,
        }),
    );
    body
}
