//! Blobs, pools, nodes and quota over HTTP.

use crate::harness::{Server, job};
use serde_json::{Value, json};
use tidegate_store::{Digest, Tree, TreeEntry, TreeKind};

#[test]
fn blobs_are_stored_by_what_they_are() {
    let server = Server::start();
    let large: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    for content in [&b"small"[..], &[], &large] {
        let path = format!("/blobs/{}", Digest::of(content));
        assert_eq!(server.get(&path).problem(), "unknown-blob");
        assert_eq!(server.head(&path).status, 404);
        let asked = json!({"digests": [Digest::of(content).to_string()]});
        assert_eq!(server.post("/blobs:missing", &asked).json(), asked);
        for _ in 0..2 {
            let answer = server.put_bytes(&path, content);
            assert_eq!(answer.status, 201, "{answer:?}");
        }
        assert_eq!(server.head(&path).status, 200);
        assert!(server.get(&path).bytes == content);
        assert_eq!(server.post("/blobs:missing", &asked).json(), json!({"digests": []}));
    }
    let wrong = server.put_bytes(&format!("/blobs/{}", Digest::of(b"a")), b"b");
    assert_eq!((wrong.status, wrong.problem().as_str()), (422, "digest-mismatch"));
    assert_eq!(server.put_bytes("/blobs/nothing", b"b").problem(), "bad-request");
    assert_eq!(server.get("/blobs/..%2F..%2Fetc").problem(), "bad-request");
    let huge = vec![0; (4 << 20) + 1];
    assert_eq!(server.put_bytes(&format!("/blobs/{}", Digest::of(&huge)), &huge).problem(), "too-large");
    let many = json!({"digests": vec![Digest::of(b"x").to_string(); 5000]});
    assert_eq!(server.post("/blobs:missing", &many).problem(), "too-large");
}

#[test]
fn a_tree_must_be_there_with_all_that_is_in_it() {
    let server = Server::with_pool();
    let file = TreeEntry {
        path: "m.py".into(),
        kind: TreeKind::File { digest: Digest::of(b"code"), size: 4, executable: false },
    };
    let tree = Tree::new(vec![file]).unwrap().encode();
    let mut job = job();
    job["code"] = json!(format!("tree:{}", Digest::of(&tree)));
    let submit = |name: &str, job: &Value| server.post("/runs", &json!({"name": name, "job": job}));
    let put = |content: &[u8]| {
        assert_eq!(server.put_bytes(&format!("/blobs/{}", Digest::of(content)), content).status, 201)
    };
    assert_eq!(submit("a", &job).problem(), "missing-blob");
    put(&tree);
    let lacking = submit("a", &job);
    assert_eq!(
        (lacking.problem().as_str(), lacking.json()["key"].as_str()),
        ("missing-blob", Some("job.code"))
    );
    put(b"code");
    assert_eq!(submit("a", &job).status, 201);
    job["code"] = json!(format!("tree:{}", Digest::of(b"code")));
    assert_eq!(submit("b", &job).problem(), "not-a-tree");
    job["code"] = Value::Null;
    job["inputs"] = json!({"x": {"type": "uri_file", "path": format!("blob:{}", Digest::of(b"none"))}});
    job.as_object_mut().unwrap().remove("code");
    assert_eq!(submit("b", &job).json()["key"], "job.inputs.x.path");
}

#[test]
fn pools_are_made_changed_and_removed() {
    let server = Server::start();
    let pool = json!({"type": "amlcompute", "name": "Small", "size": "standard_ds3_v2", "max_instances": 0,
        "tier": "low_priority", "location": "East US", "tidegate": {"boot_delay_s": 0.5}});
    let made = server.put("/pools/small", &pool).json();
    assert_eq!((made["name"].as_str(), made["size"].as_str()), (Some("Small"), Some("Standard_DS3_v2")));
    assert_eq!(
        (made["family"].as_str(), made["location"].as_str()),
        (Some("standardDSv2Family"), Some("eastus"))
    );
    assert_eq!(
        (made["tier"].as_str(), made["idle_time_before_scale_down"].as_f64()),
        (Some("low_priority"), Some(120.0))
    );
    assert_eq!(made["tidegate"]["boot_delay_s"], 0.5);
    let with = |key: &str, value: Value| {
        let mut changed = pool.clone();
        changed[key] = value;
        server.put("/pools/small", &changed)
    };
    assert_eq!(with("size", json!("Standard_D2s_v5")).problem(), "bad-pool");
    assert_eq!(with("size", json!("Standard_DS3v2")).problem(), "unknown-size");
    assert_eq!(with("min_instances", json!(1)).problem(), "bad-specification");
    assert_eq!(with("max_instnaces", json!(1)).problem(), "bad-specification");
    assert_eq!(with("identity", json!({"type": "system_assigned"})).problem(), "unsupported");
    assert_eq!(with("tidegate", json!({"boot_dely": 1})).problem(), "bad-pool");
    assert_eq!(with("name", json!("other")).problem(), "bad-request");
    assert_eq!(with("idle_time_before_scale_down", json!(5)).json()["idle_time_before_scale_down"], 5.0);
    assert_eq!(server.get("/pools").json()["items"].as_array().unwrap().len(), 1);

    assert_eq!(server.post("/runs", &json!({"name": "r", "job": job()})).status, 201);
    assert_eq!(server.delete("/pools/small").problem(), "pool-in-use");
    assert_eq!(server.delete("/pools/small?force=true").status, 204);
    assert_eq!(server.get("/pools/small").problem(), "unknown-pool");
    assert_eq!(server.get("/runs/r").json()["state"], "Canceled");
    assert_eq!(server.delete("/pools/small").problem(), "unknown-pool");
    assert_eq!(server.get("/nodes").json()["items"], json!([]));
}

#[test]
fn quota_is_set_by_the_family_in_any_case() {
    let server = Server::start();
    let set = server.put("/quotas", &json!({"family": "STANDARDDSV2FAMILY", "limit": 8}));
    let wanted = json!({"family": "standardDSv2Family", "tier": "dedicated", "region": "local", "limit": 8,
        "allowance": {"nominal": 8, "borrowing_limit": 0, "weight": 1}, "used": 0, "reserved": 0, "provisioning": 0,
        "bound": 0, "borrowed": 0, "borrowed_lately": 0.0});
    assert_eq!(set.json(), wanted);
    assert_eq!(server.get("/quotas").json()["items"], json!([wanted]));
    let slip = server.put("/quotas", &json!({"family": "Standard_DS3_v2", "limit": 8}));
    assert!(slip.problem() == "unknown-family" && slip.text.contains("standardDSv2Family"), "{slip:?}");
    assert_eq!(
        server.put("/quotas", &json!({"family": "standardDSv2Family", "tier": "spot", "limit": 8})).problem(),
        "bad-quota"
    );
    assert_eq!(
        server.put("/quotas", &json!({"family": "standardDSv2Family", "limit": -1})).problem(),
        "bad-request"
    );
    assert_eq!(
        server.put("/quotas", &json!({"family": "standardDSv2Family", "limit": null})).json().get("limit"),
        None
    );
    assert_eq!(server.get("/quotas").json()["items"], json!([]));
    let sizes = server.get("/sizes?family=standarddsv2family").json();
    assert!(sizes["items"].as_array().unwrap().iter().any(|size| size["name"] == "Standard_DS3_v2"));
}

#[test]
fn quota_of_a_team_and_of_all_families_is_set() {
    let server = Server::start();
    let allowance = json!({"nominal": 4, "borrowing_limit": 2, "weight": 3, "budget": {"vcpu_hours": 9, "period": "week"}});
    let team = json!({"family": "standardDSv2Family", "workspace": "default", "team": "nlp", "allowance": allowance});
    let set = server.put("/quotas", &team).json();
    assert_eq!((&set["allowance"], &set["team"], &set["limit"]), (&allowance, &json!("nlp"), &json!(6)));
    assert_eq!(set["spent_vcpu_hours"], json!(0.0));
    let all = server.put("/quotas", &json!({"tier": "low_priority", "limit": 100})).json();
    assert_eq!((all.get("family"), &all["limit"]), (None, &json!(100)));
    let both = server
        .put("/quotas", &json!({"family": "standardDSv2Family", "limit": 1, "allowance": {"nominal": 1}}));
    assert_eq!(both.problem(), "bad-quota");
    let nobodys = server.put("/quotas", &json!({"family": "standardDSv2Family", "team": "nlp", "limit": 1}));
    assert_eq!(nobodys.problem(), "bad-quota", "{nobodys:?}");
}

#[test]
fn a_workspace_takes_no_more_runs_than_it_may() {
    let server = Server::start();
    server.put("/pools/small", &json!({"type": "amlcompute", "size": "Standard_DS3_v2", "max_instances": 0}));
    let set = server.put("/workspaces/default", &json!({"max_open": 1, "max_running": 0})).json();
    assert_eq!(set, json!({"name": "default", "running": 0, "open": 0, "max_running": 0, "max_open": 1}));
    let job = json!({"command": "true", "environment": "azureml:e"});
    assert_eq!(server.post("/runs", &json!({"name": "a", "job": job})).status, 201);
    let refused = server.post("/runs", &json!({"name": "b", "job": job}));
    assert!(refused.problem() == "too-many-runs" && refused.text.contains("wait for some"), "{refused:?}");
    let reasons = server.get("/runs/a/explain").json();
    assert!(
        reasons["reasons"].as_array().unwrap().iter().any(|r| r["details"]["reason"] == "workspace_limit")
    );
    assert_eq!(server.get("/workspaces").json()["items"][0]["open"], 1);
    assert_eq!(server.put("/workspaces/default", &json!({"max_opne": 1})).problem(), "bad-request");
    let lifted = server.put("/workspaces/default", &json!({})).json();
    assert_eq!(lifted, json!({"name": "default", "running": 0, "open": 1}));
    assert_eq!(server.put("/workspaces/lab", &json!({"max_open": 1})).json()["name"], "lab");
    assert_eq!(server.put("/workspaces/a%20b", &json!({})).problem(), "bad-name");
}

#[test]
fn a_run_tells_what_it_waits_for_and_a_pool_whose_it_is() {
    let server = Server::start();
    let pool = json!({"type": "amlcompute", "size": "Standard_DS3_v2", "max_instances": 0,
        "tidegate": {"team": "nlp", "order": "strict"}});
    let pool = server.put("/pools/small", &pool).json();
    assert_eq!((&pool["team"], &pool["order"]), (&json!("nlp"), &json!("strict")));
    let wrong = json!({"type": "amlcompute", "size": "Standard_DS3_v2", "tidegate": {"order": "quick"}});
    let wrong = server.put("/pools/small", &wrong);
    assert!(wrong.problem() == "bad-specification" && wrong.text.contains("tidegate.order"), "{wrong:?}");

    let job = |own: Value| json!({"command": "true", "environment": "azureml:e", "tidegate": own});
    assert_eq!(server.post("/runs", &json!({"name": "first", "job": job(json!({}))})).status, 201);
    let own = json!({"team": "nlp", "after": [{"run": "first", "on": "failed"}], "max_concurrent": 2, "priority": 70});
    assert_eq!(server.post("/runs", &json!({"name": "second", "job": job(own)})).status, 201);
    let run = server.get("/runs/second").json();
    assert_eq!(run["after"], json!([{"run": "first", "on": "failed"}]));
    assert_eq!(
        (&run["team"], &run["band"], &run["max_concurrent"]),
        (&json!("nlp"), &json!("high"), &json!(2))
    );
    let reasons = server.get("/runs/second/explain").json();
    assert_eq!(reasons["reasons"][0]["text"], "it starts once run first has failed or been canceled");
    let nobody = server.post("/runs", &json!({"name": "third", "job": job(json!({"after": ["nobody"]}))}));
    assert_eq!(nobody.problem(), "unknown-run");

    assert_eq!(server.post("/runs/first/cancel", &json!({})).status, 200);
    assert_eq!(server.get("/runs/second").json()["after"][0]["ended"], "Canceled");
    let third = json!({"name": "third", "job": job(json!({"after": ["first"]}))});
    assert_eq!(server.post("/runs", &third).problem(), "prerequisite-not-met");
    // One that waited for `second` goes with it, and says why.
    let fourth = json!({"name": "fourth", "job": job(json!({"after": ["second"]}))});
    assert_eq!(server.post("/runs", &fourth).status, 201);
    assert_eq!(server.post("/runs/second/cancel", &json!({})).status, 200);
    let gone = server.get("/runs/fourth").json();
    assert!(
        gone["state"] == "Canceled" && gone["notes"][0].as_str().unwrap().contains("run second"),
        "{gone}"
    );
}
