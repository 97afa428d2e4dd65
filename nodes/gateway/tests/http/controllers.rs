//! The routes about controllers, on one that is alone.

use crate::harness::Server;
use serde_json::json;

#[test]
fn a_controller_that_is_alone_tells_of_itself() {
    let server = Server::start();
    let known = server.get("/controllers").json();
    let own = &known["items"][0];
    assert_eq!(known["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (own["id"].as_u64(), own["role"].as_str(), own["leader"].as_bool()),
        (Some(1), Some("voter"), Some(true))
    );
    assert_eq!((own["lag"].as_u64(), own["heard"].as_bool()), (Some(0), Some(true)));
    assert_eq!(own["http"], format!("http://{}", server.address));
    let status = server.get("/status").json();
    assert_eq!((status["controller"].as_u64(), status["leader"].as_bool()), (Some(1), Some(true)));
    assert!(status["term"].as_u64().unwrap() > 0 && status["draining"] == false);
    assert_eq!(status["controllers"][0]["id"], 1);

    assert_eq!(server.post("/controllers/1/lead", &json!({})).status, 204);
    assert_eq!(server.post("/controllers/7/lead", &json!({})).problem(), "unknown-controller");
    assert_eq!(server.post("/controllers/first/lead", &json!({})).problem(), "bad-request");
    let last = server.delete("/controllers/1");
    assert_eq!((last.status, last.problem().as_str()), (409, "last-voter"));
    assert_eq!(server.delete("/controllers/9").problem(), "unknown-controller");
}

#[test]
fn an_invitation_is_a_bundle_that_is_the_same_controllers_under_the_same_key() {
    let server = Server::start();
    let bundle = server.post_as("one", "/controllers", &json!({}));
    assert_eq!(bundle.status, 201, "{bundle:?}");
    let bundle = bundle.json();
    assert_eq!((bundle["id"].as_u64(), bundle["cluster"].as_str()), (Some(2), Some("test")));
    for pem in ["ca", "ca_key", "identity"] {
        assert!(bundle[pem].as_str().unwrap().contains("-----BEGIN"), "{pem}");
    }
    assert_eq!(server.post_as("one", "/controllers", &json!({})).json()["id"], 2);
    let known = server.get("/controllers");
    assert_eq!(known.status, 200, "{known:?}");
    let known = known.json();
    let joining = known["items"].as_array().unwrap().iter().find(|other| other["id"] == 2).unwrap();
    assert_eq!(joining["role"], "joining", "{known}");
    assert_eq!(server.post("/controllers/2/lead", &json!({})).problem(), "cannot-lead");
    assert_eq!(server.delete("/controllers/2").status, 204);
    assert_eq!(server.post("/controllers", &json!({"replaces": 77})).problem(), "unknown-controller");
    assert_eq!(server.post("/controllers", &json!({"vote": true})).problem(), "bad-request");
}

#[test]
fn a_drain_is_begun_and_told() {
    let server = Server::with_pool();
    let begun = server.post("/drain", &json!({"force": true}));
    assert_eq!((begun.status, begun.json()), (202, json!({"draining": true, "nodes": 0})));
    assert_eq!(server.get("/status").json()["draining"], true);
}
