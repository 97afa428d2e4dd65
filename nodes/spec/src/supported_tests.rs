use super::*;
use crate::{Document, read_str};

fn findings(text: &str) -> Vec<String> {
    match read_str(text, "f.yml", "/nonexistent").unwrap_or_else(|error| panic!("{error}")) {
        Document::Command(job) => unsupported(&job).iter().map(ToString::to_string).collect(),
        Document::Pool(pool) => unsupported_pool(&pool).iter().map(ToString::to_string).collect(),
    }
}

fn job(rest: &str) -> Vec<String> {
    findings(&format!("command: x\nenvironment: azureml:e\n{rest}"))
}

#[test]
fn what_can_be_run_has_no_findings() {
    let all = "name: run-1\ncode: src\ninputs:\n  a: 1\n  b: {type: uri_file, path: x, mode: download}\n  \
               c: {type: mlflow_model, path: ../m}\n  d: {type: mltable, path: t}\noutputs:\n  o:\n  p: {type: uri_file, mode: upload}\n\
               compute: azureml:cpu\nresources: {instance_count: 1, cpus: 2, memory: 4Gi, gpus: 0}\nlimits: {timeout: 60}\n\
               queue_settings: {job_tier: standard, priority: high}\ndistribution: {type: pytorch}\nservices: {}\n\
               tags: {a: b}\nproperties: {a: b}\nenvironment_variables: {A: 1}\ntidegate: {retries: 2}\n";
    assert_eq!(job(all), Vec::<String>::new());
}

/// Each part, and the key at which it is refused.
const REFUSED: [(&str, &str); 28] = [
    ("code: https://h/x", "code"),
    ("code: azureml:c:1", "code"),
    ("inputs: {a: {path: 'https://h/x'}}", "inputs.a.path"),
    ("inputs: {a: {path: 'wasbs://c@h/x'}}", "inputs.a.path"),
    ("inputs: {a: {path: azureml:d:1}}", "inputs.a.path"),
    ("inputs: {a: {path: d@latest}}", "inputs.a.path"),
    ("inputs: {a: {path: 'azureml://datastores/d/paths/p', type: mltable}}", "inputs.a.path"),
    ("inputs: {a: {path: x, mode: direct}}", "inputs.a.mode"),
    ("inputs: {a: {path: x, type: mltable, mode: eval_mount}}", "inputs.a.mode"),
    ("inputs: {a: {path: x, path_on_compute: /mnt}}", "inputs.a.path_on_compute"),
    ("inputs: {a: {path: x, datastore: d}}", "inputs.a.datastore"),
    ("outputs: {a: {path: 'azureml://datastores/d/paths/p'}}", "outputs.a.path"),
    ("outputs: {a: {mode: direct}}", "outputs.a.mode"),
    ("outputs: {a: {name: n, version: 1}}", "outputs.a.name"),
    ("resources: {instance_count: 2}", "resources.instance_count"),
    ("resources: {max_instance_count: 2}", "resources.max_instance_count"),
    ("resources: {instance_type: Standard_D2}", "resources.instance_type"),
    ("resources: {shm_size: 2g}", "resources.shm_size"),
    ("resources: {docker_args: --ipc=host}", "resources.docker_args"),
    ("resources: {locations: [westus]}", "resources.locations"),
    ("resources: {properties: {singularity: {a: 1}}}", "resources.properties"),
    ("services: {a: {type: vs_code}}", "services"),
    ("identity: {type: user_identity}", "identity"),
    ("parent_job_name: p", "parent_job_name"),
    ("compute: local", "compute"),
    ("queue_settings: {job_tier: Spot}", "queue_settings.job_tier"),
    ("distribution: {type: mpi, process_count_per_instance: 2}", "distribution"),
    ("distribution: {type: ray}", "distribution"),
];

#[test]
fn what_cannot_be_run_is_refused_at_its_key() {
    for (part, key) in REFUSED {
        let findings = job(part);
        assert_eq!(findings.len(), 1, "{part}: {findings:?}");
        assert!(findings[0].starts_with("f.yml:3:"), "{}", findings[0]);
        assert!(findings[0].contains(&format!(": {key}: not supported yet: ")), "{}", findings[0]);
    }
}

#[test]
fn a_name_that_cannot_be_a_file_name_and_an_empty_command_are_refused() {
    assert_eq!(job("name: 'a b!'").len(), 1);
    assert_eq!(job("name: ../../etc").len(), 1);
    assert!(findings("command: ' '\nenvironment: azureml:e\n")[0].contains("the command is empty"));
}

#[test]
fn expressions_are_checked_and_pointed_at() {
    let text = "command: |\n  train\n  save ${{outputs.modle}}\nenvironment: azureml:e\noutputs: {model: }\n";
    assert_eq!(
        findings(text),
        [
            "f.yml:3:11: command: `${{outputs.modle}}` refers to an output that the job does not have; did you mean \
          `outputs.model`?"
        ]
    );
    let text = "environment: azureml:e\ncommand: >-\n  train\n  ${{inputs.x\n";
    assert_eq!(findings(text), ["f.yml:4:3: command: an expression is not closed: `}}` is missing"]);
}

#[test]
fn a_pool_is_refused_what_no_provider_gives() {
    assert_eq!(
        findings("name: p\ntype: amlcompute\ntier: low_priority\nlocation: westus\n"),
        Vec::<String>::new()
    );
    for part in [
        "identity: {type: system_assigned}",
        "ssh_settings: {admin_username: u}",
        "ssh_public_access_enabled: true",
        "network_settings: {subnet: s}",
        "enable_node_public_ip: false",
        "resource_id: r",
    ] {
        let findings = findings(&format!("name: p\ntype: amlcompute\n{part}\n"));
        let key = part.split(':').next().unwrap_or_default();
        assert_eq!(findings.len(), 1, "{part}");
        assert!(
            findings[0].starts_with(&format!("f.yml:3:1: {key}: not supported yet: ")),
            "{}",
            findings[0]
        );
    }
}
