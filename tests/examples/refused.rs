//! The keys that can be read and not be run yet. Each is shown to be refused, so that the list cannot outlive its reason:
//! who makes one of them work finds this failing, and writes the example.

use tidegate_spec::{Document, read_str, unsupported, unsupported_pool};

/// The keys of each place that are refused, with something that is refused for them alone.
pub(crate) const JOB: [(&str, &str, &str); 19] = [
    ("", "services", "services: {a: {type: vs_code}}"),
    ("", "identity", "identity: {type: user_identity}"),
    ("", "parent_job_name", "parent_job_name: p"),
    ("resources", "instance_type", "resources: {instance_type: Standard_D2}"),
    ("resources", "shm_size", "resources: {shm_size: 2g}"),
    ("resources", "docker_args", "resources: {docker_args: --ipc=host}"),
    ("resources", "locations", "resources: {locations: [westus]}"),
    ("resources", "properties", "resources: {properties: {a: {b: 1}}}"),
    ("inputs", "path_on_compute", "inputs: {a: {path: x, path_on_compute: /mnt}}"),
    ("inputs", "datastore", "inputs: {a: {path: x, datastore: d}}"),
    ("outputs", "path", "outputs: {a: {path: 'azureml://datastores/d/paths/p'}}"),
    ("outputs", "name", "outputs: {a: {name: n}}"),
    ("outputs", "version", "outputs: {a: {name: n, version: 1}}"),
    ("distribution", "port", "distribution: {type: ray, port: 1}"),
    ("distribution", "address", "distribution: {type: ray, address: a}"),
    ("distribution", "include_dashboard", "distribution: {type: ray, include_dashboard: true}"),
    ("distribution", "dashboard_port", "distribution: {type: ray, dashboard_port: 1}"),
    ("distribution", "head_node_additional_args", "distribution: {type: ray, head_node_additional_args: a}"),
    (
        "distribution",
        "worker_node_additional_args",
        "distribution: {type: ray, worker_node_additional_args: a}",
    ),
];

/// The same of pools.
pub(crate) const POOL: [(&str, &str); 6] = [
    ("identity", "identity: {type: system_assigned}"),
    ("ssh_settings", "ssh_settings: {admin_username: u}"),
    ("ssh_public_access_enabled", "ssh_public_access_enabled: true"),
    ("network_settings", "network_settings: {subnet: s}"),
    ("enable_node_public_ip", "enable_node_public_ip: false"),
    ("resource_id", "resource_id: r"),
];

/// Keys of an environment that are read, and that nothing comes of while environments are a table.
pub(crate) const ENVIRONMENT_WITHOUT_EFFECT: [&str; 5] =
    ["$schema", "build", "datastore", "inference_config", "auto_delete_setting"];

fn findings(text: &str) -> Vec<String> {
    match read_str(text, "f.yml", "/").unwrap_or_else(|error| panic!("{text}: {error}")) {
        Document::Command(job) => unsupported(&job).iter().map(ToString::to_string).collect(),
        Document::Pool(pool) => unsupported_pool(&pool).iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_is_left_out_of_the_examples_is_refused() {
    for (place, key, part) in JOB {
        let found = findings(&format!("command: x\nenvironment: azureml:e\n{part}\n"));
        assert_eq!(found.len(), 1, "{place}.{key} works now: write an example. {part}");
    }
    for (key, part) in POOL {
        let found = findings(&format!("type: amlcompute\nname: p\n{part}\n"));
        assert_eq!(found.len(), 1, "{key} works now: write an example. {part}");
    }
}
