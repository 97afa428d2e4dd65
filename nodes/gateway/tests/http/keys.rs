//! Idempotency keys.

use crate::harness::{Server, TOKEN, job};
use serde_json::json;

#[test]
fn a_change_under_one_key_is_made_once_and_answered_again() {
    let server = Server::with_pool();
    for name in ["a", "b"] {
        assert_eq!(server.post("/runs", &json!({"name": name, "job": job()})).status, 201);
    }
    for _ in 0..3 {
        let answer = server.post_as("cancel-a", "/runs/a/cancel", &json!({}));
        assert_eq!((answer.status, answer.json()["elements"].as_u64()), (200, Some(1)));
    }
    assert_eq!(server.post_as("cancel-a-2", "/runs/a/cancel", &json!({})).problem(), "already-ended");
    let reused = server.post_as("cancel-a", "/runs/b/cancel", &json!({}));
    assert_eq!((reused.status, reused.problem().as_str()), (422, "key-reused"));
    assert_eq!(server.get("/runs/b").json()["state"], "Queued");
    // A refusal is remembered too: it is what the key was answered.
    assert_eq!(server.post_as("retry-b", "/runs/b/retry", &json!({})).problem(), "nothing-to-retry");
    assert_eq!(server.post("/runs/b/cancel", &json!({})).status, 200);
    assert_eq!(server.post_as("retry-b", "/runs/b/retry", &json!({})).problem(), "nothing-to-retry");
    assert_eq!(server.post_as("retry-b-2", "/runs/b/retry", &json!({})).json()["elements"], 1);
}

#[test]
fn a_run_without_a_name_is_known_by_its_key() {
    let server = Server::with_pool();
    let submit = |key: &str, count: u32| server.post_as(key, "/runs", &json!({"job": job(), "count": count}));
    assert_eq!(submit("one", 1).status, 201);
    assert_eq!(submit("one", 1).status, 200);
    assert_eq!(submit("two", 1).status, 201);
    assert_eq!(submit("one", 2).status, 409);
    assert_eq!(server.get("/status").json()["open_runs"], 2);
}

#[test]
fn what_is_no_key_is_refused() {
    let server = Server::start();
    let with = |header: &str| {
        server.raw(&format!(
            "POST /api/v1/runs/x/cancel HTTP/1.1\nHost: {}\nAuthorization: Bearer {TOKEN}\n{header}\nContent-Length: 0",
            server.address
        ))
    };
    assert_eq!(with("Idempotency-Key: fine").0, 404);
    for wrong in ["Idempotency-Key:", "Idempotency-Key: two words", "Idempotency-Key: a\nIdempotency-Key: b"]
    {
        assert_eq!(with(wrong).0, 400, "{wrong}");
    }
    assert_eq!(with(&format!("Idempotency-Key: {}", "x".repeat(256))).0, 400);
}

#[test]
fn every_change_is_described_with_its_key() {
    let server = Server::start();
    let api = server.get("/~/openapi.json").json();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let has = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
            assert_eq!(has, !["get", "head"].contains(&method.as_str()), "{method} {path}");
            assert!(operation["responses"].get("503").is_some(), "{method} {path}");
        }
    }
}
