//! Who is let in, and what strangers are told.

use crate::harness::{Server, TOKEN};

#[test]
fn nothing_is_served_without_the_token_a_known_host_and_no_foreign_page() {
    let server = Server::start();
    let host = server.address;
    let get = |path: &str, extra: &str| server.raw(&format!("GET {path} HTTP/1.1\nHost: {host}{extra}"));
    let token = format!("\nAuthorization: Bearer {TOKEN}");

    assert_eq!(get("/healthz", "").0, 200);
    assert_eq!(get("/readyz", "").0, 200);
    for path in ["/api/v1/runs", "/api/v1/status", "/openapi.json", "/nowhere", "/"] {
        let (status, text) = get(path, "");
        assert_eq!(status, 401, "{path}");
        assert!(
            text.contains("application/problem+json")
                && text.to_lowercase().contains("www-authenticate: bearer")
        );
        assert_eq!(get(path, "\nAuthorization: Bearer wrong").0, 401, "{path}");
    }
    assert_eq!(get("/api/v1/status", &token).0, 200);

    // The token alone does not do for a page of another site, nor for a name that is not ours.
    let (status, text) = get("/api/v1/status", &format!("{token}\nOrigin: https://evil.example"));
    assert_eq!(status, 403);
    assert!(text.contains("foreign-origin") && text.contains("evil.example"));
    assert_eq!(get("/api/v1/status", &format!("{token}\nOrigin: null")).0, 403);
    assert_eq!(get("/api/v1/status", &format!("{token}\nOrigin: http://{host}")).0, 200);
    let (status, text) = server.raw(&format!("GET /api/v1/status HTTP/1.1\nHost: evil.example{token}"));
    assert_eq!(status, 421);
    assert!(text.contains("wrong-host"));
    assert_eq!(server.raw(&format!("GET /api/v1/status HTTP/1.1\nHost: tide.example{token}")).0, 200);
    assert_eq!(get("/api/v1/status", &format!("{token}{token}")).0, 400);
}

#[test]
fn what_no_route_takes_is_told_as_a_problem() {
    let server = Server::start();
    let nowhere = server.get("/nowhere");
    assert_eq!((nowhere.status, nowhere.problem().as_str()), (404, "not-found"));
    let method = server.delete("/runs");
    assert_eq!((method.status, method.problem().as_str()), (405, "method-not-allowed"));
    assert_eq!(method.allow, "GET, POST");
    for body in ["", "{", "[]", "{\"job\": {}, \"nmae\": 1}", "{\"job\": 1, \"count\": -1}"] {
        let answer = server.post_text("/runs", body);
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-request"), "{body}");
    }
    assert!(server.post_text("/runs", "{\"job\": {}, \"nmae\": 1}").text.contains("nmae"));
    let huge = server.post_text("/runs", &format!("{{\"job\": \"{}\"}}", "x".repeat(200_000)));
    assert_eq!((huge.status, huge.problem().as_str()), (413, "too-large"));
    for query in ["/runs?limit=many", "/runs?state=Sleeping", "/runs?cursor=x", "/nodes?cursor=x"] {
        assert_eq!(server.get(query).problem(), "bad-request", "{query}");
    }
}

#[test]
fn the_description_lists_what_is_served() {
    let server = Server::start();
    let api = server.get("/~/openapi.json").json();
    let paths = api["paths"].as_object().unwrap();
    assert!(paths.len() > 20);
    let digest = format!("sha256-{}", "0".repeat(64));
    for (template, operations) in paths {
        let path =
            template.replace("{digest}", &digest).replace("{name}", "nothing").replace("{path}", "default");
        for method in ["get", "head", "put", "post", "delete", "patch"] {
            let listed = operations.get(method).is_some();
            let request = format!(
                "{} {path} HTTP/1.1\nHost: {}\nAuthorization: Bearer {TOKEN}\nContent-Length: 0",
                method.to_uppercase(),
                server.address
            );
            let (status, text) = server.raw(&request);
            // A route that is listed answers for itself, be it with a problem; one that is not says so.
            let nowhere =
                status == 405 || text.contains("problem:not-found\"") && text.contains("/openapi.json");
            assert_eq!(listed, !nowhere, "{method} {template}: {text}");
        }
    }
}
