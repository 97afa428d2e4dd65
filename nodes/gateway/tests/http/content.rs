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
    let wanted = json!({"family": "standardDSv2Family", "tier": "dedicated", "region": "local", "limit": 8, "used": 0,
        "reserved": 0, "provisioning": 0, "bound": 0});
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
