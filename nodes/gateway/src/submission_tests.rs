//! Jobs in, commands for the core out.

use super::*;
use serde_json::{Value, json};

fn request(job: Value) -> SubmitRequest {
    SubmitRequest { name: None, job, count: None, experiment: None, workspace: None }
}

fn job(extra: Value) -> Value {
    let mut job = json!({"command": "true", "environment": "azureml:e"});
    job.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    job
}

fn read_one(request: SubmitRequest) -> Result<Submission, Problem> {
    read(request, crate::names::friendly_name)
}

#[test]
fn a_bare_job_takes_a_whole_node_of_the_default_pool() {
    let submit = read_one(request(job(json!({})))).unwrap().submit;
    assert_eq!((submit.need, submit.pool, submit.priority, submit.count), (Need::WholeNode, None, 50, 1));
    assert_eq!((submit.workspace.as_str(), submit.experiment.as_str()), ("default", "Default"));
    assert_eq!((submit.retries, submit.grace), (0, DEFAULT_GRACE));
    assert_eq!(submit.digest.0, *Digest::of(&submit.body).as_bytes());
}

#[test]
fn all_that_the_core_decides_by_is_taken_from_the_job() {
    let extra = json!({"compute": "azureml:gpu-pool", "resources": {"cpus": 2, "memory": "1.5Gi", "gpus": 1},
        "queue_settings": {"priority": "high"}, "experiment_name": "mnist",
        "tidegate": {"retries": 3, "on_disconnect": "stop", "grace_period": 5, "team": "nlp", "max_concurrent": 2,
            "after": ["a", {"run": "b", "on": "ended"}]}});
    let submit = read_one(request(job(extra))).unwrap().submit;
    assert_eq!(submit.need, Need::Part(Resources { vcpu: 2, memory_mib: 1536, gpu_milli: 1000 }));
    assert_eq!((submit.pool.as_deref(), submit.priority), (Some("gpu-pool"), 75));
    assert_eq!((submit.retries, submit.on_disconnect, submit.grace), (3, OnDisconnect::Stop, Millis(5000)));
    assert_eq!(submit.experiment, "mnist");
    let after = |run: &str, on| After { run: run.into(), on };
    let after = vec![after("a", DependsOn::Completed), after("b", DependsOn::Ended)];
    assert_eq!(submit.scheduling, Scheduling { team: Some("nlp".into()), after, max_concurrent: Some(2) });
    for compute in ["serverless", "azureml:serverless"] {
        assert_eq!(read_one(request(job(json!({"compute": compute})))).unwrap().submit.pool, None);
    }
}

#[test]
fn the_name_is_the_runs_and_not_the_bodys() {
    let named = read_one(request(job(json!({"name": "one"})))).unwrap().submit;
    let other = read_one(SubmitRequest { name: Some("two".into()), ..request(job(json!({"name": "one"}))) })
        .unwrap()
        .submit;
    let neither = read_one(request(job(json!({})))).unwrap().submit;
    assert_eq!((named.name.as_str(), other.name.as_str()), ("one", "two"));
    assert!(neither.name.len() > 10);
    assert_eq!(named.digest, other.digest);
    assert_eq!(named.digest, neither.digest);
    let moved = SubmitRequest { experiment: Some("e2".into()), ..request(job(json!({}))) };
    assert_ne!(read_one(moved).unwrap().submit.digest, named.digest);
}

#[test]
fn content_is_referred_to_by_address_alone() {
    let tree = format!("tree:{}", Digest::of(b"t"));
    let blob = format!("blob:{}", Digest::of(b"b"));
    let extra = json!({"code": tree, "inputs": {"data": {"path": blob}, "rate": 0.1}});
    let needs = read_one(request(job(extra))).unwrap().needs;
    assert_eq!(
        needs,
        [
            Reference { key: "job.code".into(), digest: Digest::of(b"t"), tree: true },
            Reference { key: "job.inputs.data.path".into(), digest: Digest::of(b"b"), tree: false },
        ]
    );
    let problem = read_one(request(job(json!({"code": "./src"})))).err().unwrap();
    assert_eq!((problem.word(), problem.key.as_deref()), ("local-path", Some("job.code")));
}

#[test]
fn what_cannot_be_run_is_refused_by_its_key() {
    for (extra, key, word) in [
        (json!({"resources": {"instance_count": 2}}), "job.resources.instance_count", "unsupported"),
        (json!({"comand": "x"}), "job.comand", "bad-specification"),
        (json!({"command": "echo ${{inputs.nope}}"}), "job.command", "bad-specification"),
        (
            json!({"tidegate": {"after": [{"run": "a", "on": "done"}]}}),
            "job.tidegate.after[0].on",
            "bad-specification",
        ),
        (json!({"limits": {"timeout": "soon"}}), "job.limits.timeout", "bad-specification"),
    ] {
        let problem = read_one(request(job(extra))).err().unwrap();
        assert_eq!(
            (problem.key.as_deref(), problem.word(), problem.status),
            (Some(key), word, 422),
            "{problem}"
        );
    }
    let huge = job(json!({"description": "x".repeat(70_000)}));
    assert_eq!(read_one(request(huge)).err().unwrap().status, 413);
}
