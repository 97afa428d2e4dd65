//! HTTP requests that no client of ours sends.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_tests::{Answer, Cluster};

use crate::{POOL, says};

/// A problem document of this status that says these things.
fn problem(answer: &Answer, status: u16, words: &[&str]) -> Result<()> {
    assert_eq!(answer.status, status, "{answer:?}");
    says(&answer.head.to_lowercase(), &["content-type: application/problem+json"]);
    let problem: Value = answer.json()?;
    assert_eq!(problem["status"], status, "{problem}");
    says(problem["type"].as_str().unwrap_or_default(), &["urn:tidegate:problem:"]);
    assert!(problem["title"].is_string(), "{problem}");
    says(problem["detail"].as_str().unwrap_or_default(), words);
    Ok(())
}

#[test]
fn who_may_not_ask_is_told_why_and_what_to_do() -> Result<()> {
    let cluster = Cluster::up()?;
    let host = cluster.address().to_string();
    let bearer = format!("Bearer {}", cluster.token()?);
    let ask = |headers: &[(&str, &str)]| cluster.request("GET /api/v1/runs", headers, b"");
    let (ours, token) = (("Host", host.as_str()), ("Authorization", bearer.as_str()));
    assert_eq!(ask(&[ours, token])?.status, 200);

    problem(&ask(&[ours])?, 401, &["no `Authorization: Bearer TOKEN`", "file `token`"])?;
    problem(&ask(&[ours, ("Authorization", "Bearer wrong")])?, 401, &["not this server's"])?;
    problem(&ask(&[ours, ("Authorization", "Basic dDp0")])?, 401, &["not of the form `Bearer TOKEN`"])?;
    problem(
        &ask(&[ours, token, ("Origin", "https://evil.example")])?,
        403,
        &["evil.example", "from a program"],
    )?;
    problem(&ask(&[ours, token, ("Origin", "null")])?, 403, &["`null`"])?;
    let same = format!("http://{host}");
    assert_eq!(ask(&[ours, token, ("Origin", &same)])?.status, 200);
    problem(&ask(&[("Host", "evil.example"), token])?, 421, &["evil.example", &host, "http.names"])?;
    problem(&ask(&[ours, token, token])?, 400, &["authorization", "twice"])?;
    assert!(matches!(ask(&[token])?.status, 400), "no Host");

    // Changes are guarded like questions, also the description of all routes.
    for line in
        ["POST /api/v1/runs", "DELETE /api/v1/pools/default", "GET /openapi.json", "PUT /api/v1/quotas"]
    {
        problem(&cluster.request(line, &[ours], b"{}")?, 401, &["token"])?;
    }
    assert_eq!(cluster.request("GET /healthz", &[ours], b"")?.status, 200);
    let log = cluster.log();
    assert!(!log.contains(&bearer[7..]), "the token is in the log: {log}");
    Ok(())
}

#[test]
fn the_command_line_tells_of_wrong_tokens() -> Result<()> {
    let cluster = Cluster::up()?;
    let wrong = cluster.command().env("TIDEGATE_TOKEN", "wrong").arg("status").output()?;
    assert_eq!(wrong.status.code(), Some(3));
    says(&String::from_utf8_lossy(&wrong.stderr), &["not this server's", "data folder"]);
    let none = cluster
        .command()
        .env("XDG_CONFIG_HOME", cluster.home().path().join("empty"))
        .arg("status")
        .output()?;
    assert_eq!(none.status.code(), Some(3));
    says(&String::from_utf8_lossy(&none.stderr), &["TIDEGATE_TOKEN", "`token`", &cluster.url()]);
    Ok(())
}

#[test]
fn requests_that_make_no_sense_are_told_what_is_wrong_and_where() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let caller = cluster.caller()?;
    let send = |line: &str, body: &[u8]| caller.send(line, body);
    problem(&send("GET /api/v2/runs", b"")?, 404, &["/api/v2/runs", "/openapi.json"])?;
    problem(&send("DELETE /api/v1/runs", b"")?, 405, &["DELETE", "GET", "POST"])?;
    problem(&send("GET /api/v1/runs/nobody", b"")?, 404, &["nobody"])?;
    problem(&send("GET /api/v1/runs?limit=many", b"")?, 400, &["query"])?;
    problem(&send("GET /api/v1/runs?state=Happy", b"")?, 400, &["Happy", "Completed"])?;
    problem(&send("GET /api/v1/runs?cursor=%00", b"")?, 400, &["cursor"])?;
    problem(&send("POST /api/v1/runs", b"{\"name\": ")?, 400, &["/api/v1/runs", "line 1 column"])?;
    problem(&send("POST /api/v1/runs", b"\xff\xfe")?, 400, &["/api/v1/runs"])?;
    problem(&send("POST /api/v1/runs", b"{\"jobs\": {}}")?, 400, &["jobs", "job"])?;
    let deep = format!("{{\"job\": {}", "[".repeat(100_000));
    problem(&send("POST /api/v1/runs", deep.as_bytes())?, 400, &["recursion"])?;

    let submit = |job: Value| caller.post("/runs", &json!({"job": job}));
    let answer = submit(json!({"command": 1, "environment": "azureml:any"}))?;
    problem(&answer, 422, &["command"])?;
    let answer = submit(json!({"comand": "x", "environment": "azureml:any"}))?;
    problem(&answer, 422, &["did you mean `command`"])?;
    assert_eq!(answer.json::<Value>()?["key"], "job.comand", "{answer:?}");
    let answer = submit(json!({"command": "x", "environment": "azureml:any", "compute": "azureml:gone"}))?;
    problem(&answer, 404, &["gone", "tidegate pool"])?;
    let answer = caller
        .post("/runs", &json!({"name": "../x", "job": {"command": "x", "environment": "azureml:any"}}))?;
    problem(&answer, 422, &["../x"])?;
    let answer =
        caller.post("/runs", &json!({"count": 0, "job": {"command": "x", "environment": "azureml:any"}}))?;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(cluster.json(["status"])?["open_runs"], 0);
    Ok(())
}

#[test]
fn bodies_that_are_too_large_and_streams_that_are_no_http_do_no_harm() -> Result<()> {
    let cluster = Cluster::up()?;
    let caller = cluster.caller()?;
    let large = vec![b' '; (1 << 20) + 1];
    problem(&caller.send("POST /api/v1/runs", &large)?, 413, &["at most 1048576 bytes"])?;
    let digests: Vec<String> = (0..5000).map(|at| format!("sha256-{at:064}")).collect();
    let answer = caller.post("/blobs:missing", &json!({"digests": digests}))?;
    problem(&answer, 413, &["4096"])?;

    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", &[b'A'; 200_000]] {
        let mut stream = TcpStream::connect(cluster.address())?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        // It may hang up at any moment.
        drop(stream.write_all(garbage));
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    // Half a request, and silence: it holds nobody up.
    let mut silent = TcpStream::connect(cluster.address())?;
    silent.write_all(b"POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nContent-Le")?;
    assert_eq!(cluster.json(["status"])?["leader"], true);
    Ok(())
}
