//! The REST body of every part, as the Azure ML client 1.35.2 made it of the same text.

use serde_json::{Value, json};
use tidegate_spec::{read_str, rest_body};

fn body(text: &str) -> Value {
    rest_body(&read_str(text, "job.yml", "/nonexistent").unwrap_or_else(|error| panic!("{text}: {error}")))
}

fn job(part: &str) -> Value {
    body(&format!("command: echo\nenvironment: azureml:e:1\n{part}\n"))["properties"].take()
}

#[test]
fn literals_are_text_as_python_spells_it() {
    for (written, text) in [
        ("1", "1"),
        ("1.0", "1.0"),
        ("1e-3", "1e-3"),
        ("1.0e-3", "0.001"),
        ("0.00001", "1e-05"),
        ("1.0e+17", "1e+17"),
        ("true", "True"),
        ("off", "False"),
        ("'true'", "true"),
        ("0x10", "16"),
        ("017", "15"),
        ("1_000", "1000"),
        ("1:30", "90"),
        ("y", "y"),
        ("' sp '", " sp "),
        ("!!str 5", "5"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("{path: '${{parent.inputs.x}}'}", "${{parent.inputs.x}}"),
    ] {
        let inputs = job(&format!("inputs:\n  a: {written}"))["inputs"].take();
        assert_eq!(inputs, json!({"a": {"value": text, "jobInputType": "literal"}}), "{written}");
    }
}

#[test]
fn data_and_resources_have_their_rest_form() {
    have_their_rest_form([
        ("inputs: {a: {path: d}}", "inputs", json!({"a": {"uri": "d", "jobInputType": "uri_folder"}})),
        (
            "inputs: {a: {type: URI_FILE, path: d, mode: RO_Mount}}",
            "inputs",
            json!({"a": {"uri": "d", "mode": "ReadOnlyMount", "jobInputType": "uri_file"}}),
        ),
        (
            "inputs: {a: {type: mltable, path: 'https://h/t', mode: eval_mount}}",
            "inputs",
            json!({"a": {"uri": "https://h/t", "mode": "EvalMount", "jobInputType": "mltable"}}),
        ),
        (
            "outputs: {a: , b: {}, c: {mode: upload}, d: {type: uri_file, mode: mount}, e: {type: mlflow_model, name: n, version: 2}, f: {path: 'azureml://d', mode: DIRECT}, g: {name: n, version: 1.50}}",
            "outputs",
            json!({
                "a": {"jobOutputType": "uri_folder"},
                "b": {"jobOutputType": "uri_folder"},
                "c": {"mode": "Upload", "jobOutputType": "uri_folder"},
                "d": {"mode": "ReadWriteMount", "jobOutputType": "uri_file"},
                "e": {"assetName": "n", "jobOutputType": "mlflow_model", "assetVersion": "2"},
                "f": {"uri": "azureml://d", "mode": "Direct", "jobOutputType": "uri_folder"},
                "g": {"assetName": "n", "jobOutputType": "uri_folder", "assetVersion": "1.5"},
            }),
        ),
        (
            "environment_variables: {A: 1, B: true, C: x, D: 1.5}",
            "environmentVariables",
            json!({"A": 1, "B": true, "C": "x", "D": 1.5}),
        ),
        ("tags: {a: , b: x}", "tags", json!({"a": null, "b": "x"})),
        ("tags: {<<: {a: b}, c: d}", "tags", json!({"a": "b", "c": "d"})),
        ("resources: {}", "resources", json!({"properties": {}})),
        (
            "resources: {instance_count: '2', instance_type: S, shm_size: 2g, docker_args: --x, max_instance_count: 3, locations: [a], properties: {Singularity: {a: {b: 1, c: }}, x: }}",
            "resources",
            json!({
                "instanceCount": 2, "instanceType": "S", "shmSize": "2g", "dockerArgs": "--x", "maxInstanceCount": 3,
                "locations": ["a"], "properties": {"AISuperComputer": {"a": {"b": 1}}},
            }),
        ),
        (
            "resources: {docker_args: [a, b], max_instance_count: 5, locations: [a]}",
            "resources",
            json!({"properties": {}, "dockerArgsList": ["a", "b"]}),
        ),
        (
            "resources: {instance_count: 1, cpus: 2, memory: 1Gi, gpus: 1}",
            "resources",
            json!({"instanceCount": 1, "properties": {}}),
        ),
        ("limits: {timeout: 90061}", "limits", json!({"timeout": "P1DT1H1M1S", "jobLimitsType": "Command"})),
        ("limits: {timeout: 0}", "limits", json!({"jobLimitsType": "Command"})),
    ]);
}

#[test]
fn what_else_a_job_says_has_its_rest_form() {
    have_their_rest_form([
        ("distribution: {type: PyTorch}", "distribution", json!({"distributionType": "PyTorch"})),
        (
            "distribution: {type: mpi, process_count_per_instance: 4}",
            "distribution",
            json!({"processCountPerInstance": 4, "distributionType": "Mpi"}),
        ),
        (
            "distribution: {type: tensorflow, worker_count: 3}",
            "distribution",
            json!({"parameterServerCount": 0, "workerCount": 3, "distributionType": "TensorFlow"}),
        ),
        (
            "distribution: {type: ray, port: 1, address: a, include_dashboard: yes, dashboard_port: 3, head_node_additional_args: x, worker_node_additional_args: y}",
            "distribution",
            json!({
                "distributionType": "Ray", "port": 1, "address": "a", "includeDashboard": true, "dashboardPort": 3,
                "headNodeAdditionalArgs": "x", "workerNodeAdditionalArgs": "y",
            }),
        ),
        (
            "services: {a: {type: ssh, ssh_public_keys: k, nodes: all, port: 22}, b: {type: tensor_board, log_dir: x, properties: {p: q}}, c: {type: VS_Code}, d: {type: jupyter_lab, nodes: all}, e: {type: Custom}, f: {port: 5}}",
            "services",
            json!({
                "a": {"jobServiceType": "SSH", "nodes": {"nodesValueType": "All"}, "port": 22, "properties": {"sshPublicKeys": "k"}},
                "b": {"jobServiceType": "TensorBoard", "properties": {"p": "q", "logDir": "x"}},
                "c": {"jobServiceType": "VSCode"},
                "d": {"jobServiceType": "JupyterLab", "nodes": {"nodesValueType": "All"}},
                "e": {},
                "f": {"jobServiceType": "SSH", "port": 5},
            }),
        ),
        (
            "queue_settings: {job_tier: Spot, priority: HIGH}",
            "queueSettings",
            json!({"jobTier": "Spot", "priority": 3}),
        ),
        ("queue_settings: {job_tier: 'null'}", "queueSettings", json!({"jobTier": "Null"})),
        (
            "identity: {type: managed_identity, client_id: c}",
            "identity",
            json!({"clientId": "c", "identityType": "Managed"}),
        ),
        ("identity: {type: AMLToken}", "identity", json!({"identityType": "AMLToken"})),
        ("identity: {type: UserIdentity}", "identity", json!({"identityType": "UserIdentity"})),
        ("compute: azureml:cpu", "computeId", json!("cpu")),
        ("compute: local", "resources", json!({"properties": {"IsLocal": {"IsLocal": true}}})),
        ("compute: local", "environmentVariables", json!({"AZUREML_COMPUTE_USE_COMMON_RUNTIME": "true"})),
        ("name: foo", "displayName", json!("foo")),
        ("name: foo\ndisplay_name: Foo", "displayName", json!("Foo")),
        ("parent_job_name: p", "parentJobName", json!("p")),
        ("description: |\n  a\n  b", "description", json!("a\nb\n")),
        ("tidegate: {retries: 1}", "properties", json!({})),
        (
            "id: x\nstatus: Running\nlog_files: {a: b}\ncreation_context: {created_by: x}\nparameters: {}",
            "isArchived",
            json!(false),
        ),
    ]);
}

fn have_their_rest_form<const N: usize>(parts: [(&str, &str, Value); N]) {
    for (part, key, form) in parts {
        assert_eq!(job(part)[key], form, "{part}");
    }
}

#[test]
fn what_is_not_said_has_no_rest_form() {
    let body = job("");
    let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let always = [
        "command",
        "properties",
        "isArchived",
        "inputs",
        "outputs",
        "environmentId",
        "tags",
        "environmentVariables",
        "jobType",
    ];
    assert_eq!(keys, always);
}

#[test]
fn a_described_environment_is_registered_under_its_content() {
    let id = |environment: &str| {
        body(&format!("command: x\nenvironment: {environment}\n"))["properties"]["environmentId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(id("{image: a}"), id("{image: a}"));
    assert_ne!(id("{image: a}"), id("{image: b}"));
    assert!(id("{image: a}").starts_with("azureml:CliV2AnonymousEnvironment:"));
}

#[test]
fn a_pool_has_the_services_defaults() {
    let pool = |part: &str| body(&format!("name: p\ntype: AmlCompute\n{part}\n"));
    let vms = |part: &str| pool(part)["properties"]["properties"].take();
    assert_eq!(vms("")["vmSize"], "STANDARD_DS3_V2");
    assert_eq!(vms("").get("vmPriority"), None);
    assert_eq!(vms("tier: LOW_PRIORITY")["vmPriority"], "LowPriority");
    assert_eq!(
        vms("")["scaleSettings"],
        json!({"maxNodeCount": 4, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT2M"})
    );
    assert_eq!(
        vms("idle_time_before_scale_down: 0")["scaleSettings"],
        json!({"maxNodeCount": 4, "minNodeCount": 0})
    );
    assert_eq!(vms("ssh_public_access_enabled: no")["remoteLoginPortPublicAccess"], "Disabled");
    assert_eq!(vms("network_settings: {subnet: /s}")["subnet"], json!({"id": "/s"}));
    assert_eq!(
        vms("ssh_settings: {admin_username: u, ssh_key_value: k}")["userAccountCredentials"],
        json!({"adminUserName": "u", "adminUserSshPublicKey": "k"})
    );
    assert_eq!(pool("ssh_settings: {}")["properties"]["disableLocalAuth"], false);
    assert_eq!(pool("tags: {a: b}")["tags"], json!({"a": "b"}));
    assert_eq!(pool("description: d")["properties"]["description"], "d");
    let identity =
        "identity: {type: 'SystemAssigned,UserAssigned', user_assigned_identities: [{resource_id: x}]}";
    assert_eq!(
        pool(identity)["identity"],
        json!({"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {"x": {}}})
    );
}
