//! Runs over HTTP: queued, listed, explained, cancelled, tried again.

use crate::harness::{Server, job};
use serde_json::{Value, json};

fn submit(server: &Server, name: &str, extra: Value) -> crate::harness::Answer {
    let mut request = json!({"name": name, "job": job()});
    request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    server.post("/runs", &request)
}

#[test]
fn a_name_is_an_idempotency_key() {
    let server = Server::with_pool();
    let first = submit(&server, "one", json!({}));
    assert_eq!((first.status, first.json()["known"].as_bool()), (201, Some(false)));
    let again = submit(&server, "one", json!({}));
    assert_eq!((again.status, again.json()["known"].as_bool()), (200, Some(true)));
    let other = submit(&server, "one", json!({"count": 2}));
    assert_eq!((other.status, other.problem().as_str()), (409, "name-conflict"));
    let made_up = server.post("/runs", &json!({"job": job()}));
    assert_eq!(made_up.status, 201);
    assert_eq!(server.get(&format!("/runs/{}", made_up.json()["name"].as_str().unwrap())).status, 200);
}

#[test]
fn what_cannot_run_is_refused_with_a_reason() {
    let bare = Server::start();
    assert_eq!(submit(&bare, "x", json!({})).problem(), "no-pool");
    let server = Server::with_pool();
    let with = |key: &str, value: Value| {
        let mut job = job();
        job[key] = value;
        submit(&server, "x", json!({ "job": job }))
    };
    assert_eq!(with("compute", json!("azureml:nowhere")).problem(), "unknown-pool");
    assert_eq!(with("resources", json!({"cpus": 10_000})).problem(), "never-fits");
    assert_eq!(with("identity", json!({"type": "managed"})).problem(), "unsupported");
    assert_eq!(with("code", json!("./src")).problem(), "local-path");
    assert_eq!(with("code", json!(format!("tree:sha256-{}", "1".repeat(64)))).problem(), "missing-blob");
    assert_eq!(submit(&server, "no/slash", json!({})).problem(), "bad-name");
    assert_eq!(submit(&server, "x", json!({"count": 20_000_000})).problem(), "too-much");
    assert_eq!(server.get("/runs").json()["items"].as_array().unwrap().len(), 0);
    for path in
        ["/runs/x", "/runs/x/explain", "/runs/x/logs", "/runs/x/outputs", "/runs/x/elements", "/runs/x/wait"]
    {
        assert_eq!(server.get(path).problem(), "unknown-run", "{path}");
    }
}

#[test]
fn many_runs_in_one_request_are_accepted_one_by_one() {
    let server = Server::with_pool();
    let mut runs: Vec<Value> = (0..200).map(|at| json!({"name": format!("r{at}"), "job": job()})).collect();
    runs[7] = json!({"name": "r6", "job": {"command": "other", "environment": "azureml:e@latest"}});
    let answer = server.post("/runs:batch", &json!({ "runs": runs }));
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.json()["runs"].as_array().unwrap().clone();
    assert_eq!(items.len(), 200);
    for (at, item) in items.iter().enumerate() {
        // Of two bodies under one name the first that was asked for stands.
        match at {
            7 => assert_eq!(item["problem"]["type"], "urn:tidegate:problem:name-conflict"),
            _ => assert_eq!(item["name"], format!("r{at}"), "{item}"),
        }
    }
    assert_eq!(server.get("/status").json()["open_runs"], 199);
    let huge = server.post("/runs:batch", &json!({"runs": [{"job": {"command": "x".repeat(5 << 20)}}]}));
    assert_eq!(huge.problem(), "too-large");
}

#[test]
fn lists_have_filters_and_cursors() {
    let server = Server::with_pool();
    for at in 0..5 {
        let mut job = job();
        job["tags"] = json!({"parity": if at % 2 == 0 { "even" } else { "odd" }});
        job["display_name"] = json!(format!("Number {at}"));
        let experiment = if at < 3 { "low" } else { "high" };
        assert_eq!(
            submit(&server, &format!("r{at}"), json!({"job": job, "experiment": experiment})).status,
            201
        );
    }
    assert_eq!(server.post("/runs/r1/cancel", &json!({})).json()["elements"], 1);
    let names = |query: &str| -> Vec<String> {
        let page = server.get(&format!("/runs?{query}")).json();
        page["items"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(""), ["r4", "r3", "r2", "r1", "r0"]);
    assert_eq!(names("experiment=low&tag=parity=even"), ["r2", "r0"]);
    assert_eq!(names("state=Canceled"), ["r1"]);
    assert_eq!(names("state=queued&tag=parity"), ["r4", "r3", "r2", "r0"]);
    assert_eq!(names("text=number%203"), ["r3"]);
    assert_eq!(names("pool=elsewhere"), Vec::<String>::new());
    let first = server.get("/runs?limit=2").json();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(names(&format!("limit=10&cursor={cursor}")), ["r2", "r1", "r0"]);
    assert_eq!(server.get("/runs?limit=5").json().get("next_cursor"), None);
}

#[test]
fn a_run_tells_all_that_is_known_of_it() {
    let server = Server::with_pool();
    let mut job = job();
    job["tags"] = json!({"a": "1"});
    job["resources"] = json!({"cpus": 2, "memory": "1Gi"});
    job["queue_settings"] = json!({"priority": "high"});
    submit(&server, "one", json!({ "job": job }));
    let run = server.get("/runs/one").json();
    assert_eq!(
        (run["state"].as_str(), run["pool"].as_str(), run["count"].as_u64()),
        (Some("Queued"), Some("default"), Some(1))
    );
    assert_eq!(run["tags"], json!({"a": "1"}));
    assert_eq!(run["need"], json!({"whole_node": false, "vcpu": 2, "memory_mib": 1024, "gpus": 0.0}));
    assert_eq!((run["priority"].as_u64(), run["job"]["command"].as_str()), (Some(75), Some("true")));
    assert!(run["submitted_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!((run["attempts"].as_array().map(Vec::len), run.get("exit_code")), (Some(0), None));
    assert_eq!(server.get("/runs/one?element=1").problem(), "unknown-element");

    let explained = server.get("/runs/one/explain").json();
    let reasons: Vec<&str> = explained["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["details"]["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["capacity", "pool_max"], "{explained}");
    assert!(explained["reasons"][1]["text"].as_str().unwrap().contains("max_instances"));
    assert_eq!(server.get("/runs/one/logs").text, "");
    assert_eq!(server.get("/runs/one/outputs").json()["items"], json!([]));
    assert_eq!(server.get("/runs/one/outputs/default").problem(), "not-found");
    assert_eq!(server.get("/runs/one/logs?stream=out").problem(), "bad-request");
    assert_eq!(server.get("/runs/one/logs?offset=3").problem(), "bad-request");
}

#[test]
fn arrays_are_cancelled_and_tried_again_by_element() {
    let server = Server::with_pool();
    submit(&server, "many", json!({"count": 1000}));
    assert_eq!(server.post("/runs/many/cancel?element=3", &json!({})).json()["elements"], 1);
    assert_eq!(server.post("/runs/many/cancel?element=3", &json!({})).problem(), "already-ended");
    let page = server.get("/runs/many/elements?state=Canceled").json();
    assert_eq!(page["items"], json!([{"element": 3, "state": "Canceled"}]));
    let page = server.get("/runs/many/elements?limit=10&cursor=2").json();
    assert_eq!(
        (page["items"][1]["state"].as_str(), page["next_cursor"].as_str()),
        (Some("Canceled"), Some("12"))
    );
    assert_eq!(server.post("/runs/many/cancel", &json!({})).status, 200);
    let run = server.get("/runs/many").json();
    assert_eq!((run["state"].as_str(), run["elements"]["canceled"].as_u64()), (Some("Canceled"), Some(1000)));
    assert!(run["ended_at"].is_string());
    assert_eq!(server.post("/runs/many/retry?element=3", &json!({})).json()["elements"], 1);
    assert_eq!(server.get("/runs/many").json()["state"], "Queued");
    assert_eq!(server.post("/runs/many/retry", &json!({})).json()["elements"], 999);
    assert_eq!(server.post("/runs/many/retry", &json!({})).problem(), "nothing-to-retry");
}

#[test]
fn waiting_ends_with_the_run_or_with_the_time() {
    let server = Server::with_pool();
    submit(&server, "one", json!({}));
    assert_eq!(server.get("/runs/one/wait?timeout_s=0").json()["state"], "Queued");
    assert_eq!(
        server.get("/runs/one/wait?until=changed&state=Running&timeout_s=60").json()["state"],
        "Queued"
    );
    let status = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/runs/one/wait?timeout_s=60").json());
        let followed = scope.spawn(|| server.get("/runs/one/logs?follow=true"));
        server.post("/runs/one/cancel", &json!({}));
        assert_eq!(followed.join().unwrap().text, "");
        waiting.join().unwrap()
    });
    assert_eq!(status["state"], "Canceled");
    let (code, events) = server.raw(&format!(
        "GET /api/v1/runs/one/wait HTTP/1.1\nHost: {}\nAccept: text/event-stream\nAuthorization: Bearer {}",
        server.address,
        crate::harness::TOKEN
    ));
    assert_eq!(code, 200);
    assert!(events.contains("event: state") && events.contains("\"Canceled\""), "{events}");
}
