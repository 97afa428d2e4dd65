//! Three controllers: any of them answers, and a client sees nothing of a change of leaders but a pause.

use crate::cluster::{Cluster, submit, wait_for};
use crate::harness::{Server, TOKEN, job};
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use tidegate_controller::{ForwardError, JoinBundle};
use tidegate_scheduler::ids::ControllerId;
use tidegate_store::Digest;
use tidegate_store::peer_wire::HttpRequest;
use tidegate_store::wire::BlobData;

#[test]
fn any_controller_answers_any_client() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    for (at, follower) in cluster.followers(leader).into_iter().enumerate() {
        assert_eq!(follower.get("/~/readyz").status, 200);
        let status = follower.get("/status").json();
        assert_eq!((status["controller"].as_u64(), status["leader"].as_bool()), (Some(leader), Some(true)));
        let name = format!("r{at}");
        submit(follower, &name, 1);
        // What one has acknowledged every other one tells.
        for other in 1..=3 {
            assert_eq!(cluster.server(other).get(&format!("/runs/{name}")).json()["state"], "Queued");
        }
        let unknown = follower.get("/runs/none");
        assert_eq!((unknown.status, unknown.problem().as_str()), (404, "unknown-run"));
        let method = follower.delete("/runs");
        assert_eq!((method.status, method.allow.as_str()), (405, "GET, POST"));
        assert_eq!(follower.post_text("/runs", "{").problem(), "bad-request");
        assert_eq!(follower.post(&format!("/runs/{name}/cancel"), &json!({})).json()["elements"], 1);
        // Small ones are held until they are answered, large ones go through.
        for size in [0, 10, 1_500_000] {
            let content: Vec<u8> = (0..size).map(|byte| (byte % 251) as u8 ^ at as u8).collect();
            let path = format!("/blobs/{}", Digest::of(&content));
            assert_eq!(follower.put_bytes(&path, &content).status, 201);
            for other in 1..=3 {
                assert!(cluster.server(other).get(&path).bytes == content);
                assert_eq!(cluster.server(other).head(&path).status, 200);
            }
        }
        let huge = vec![0; (4 << 20) + 1];
        assert_eq!(
            follower.put_bytes(&format!("/blobs/{}", Digest::of(&huge)), &huge).problem(),
            "too-large"
        );
        assert_eq!(follower.delete("/pools/none").problem(), "unknown-pool");
    }
    let known = cluster.followers(leader)[0].get("/controllers").json();
    let roles: Vec<_> = known["items"].as_array().unwrap().iter().map(|item| item["role"].clone()).collect();
    assert_eq!(roles, ["voter", "voter", "voter"]);
}

#[test]
fn strangers_are_not_passed_on_and_nobody_says_how_controllers_speak() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    let follower = cluster.followers(leader)[0];
    let get = |head: &str| follower.raw(&format!("GET /api/v1/status HTTP/1.1\n{head}")).0;
    let host = format!("Host: {}", follower.address);
    let token = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(get(&host), 401);
    assert_eq!(get(&format!("{host}\nAuthorization: Bearer wrong")), 401);
    assert_eq!(get(&format!("Host: evil.example\n{token}")), 421);
    assert_eq!(get(&format!("{host}\n{token}\nOrigin: https://evil.example")), 403);
    assert_eq!(get(&format!("{host}\n{token}\nOrigin: http://{}", follower.address)), 200);
    let (status, text) =
        follower.raw(&format!("GET /api/v1/status HTTP/1.1\n{host}\n{token}\ntidegate-relay: as-you-are"));
    assert!(status == 200 && text.contains(&format!("\"controller\":{leader},")), "{text}");
}

/// Has one controller ask another one what is passed on to it, and gives the status and the body of the answer.
fn pass_on(from: &Server, to: u64, headers: &[(&str, &str)]) -> Result<(u16, String), ForwardError> {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), BlobData(value.as_bytes().to_vec())));
    let path_and_query = "/api/v1/status".to_owned();
    let head = HttpRequest { method: "GET".to_owned(), path_and_query, headers: headers.collect() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (body, answering) = from.controller().forward(ControllerId(to), head).await?.split();
        // One that has answered already takes no body.
        drop(body.end().await);
        let (head, mut body) = answering.head().await?;
        let mut text = Vec::new();
        while let Some(piece) = body.next().await {
            text.extend(piece?);
        }
        Ok((head.status, String::from_utf8(text).unwrap()))
    })
}

#[test]
fn what_was_passed_on_is_never_passed_on_again() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    let others: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    let from = cluster.server(others[0]);
    let token = ("authorization", &*format!("Bearer {TOKEN}"));
    let led = pass_on(from, leader, &[token]).unwrap();
    assert!(led.0 == 200 && led.1.contains(&format!("\"controller\":{leader},")), "{led:?}");
    // A follower could ask the leader in its turn; it says that it does not lead.
    let follower = pass_on(from, others[1], &[token]);
    assert!(matches!(follower, Err(ForwardError::NotLeading)), "{follower:?}");
    let as_it_is = pass_on(from, others[1], &[token, ("tidegate-relay", "as-you-are")]).unwrap();
    assert!(as_it_is.0 == 200 && as_it_is.1.contains("\"leader\":false"), "{as_it_is:?}");
    // Being a controller is no token.
    assert_eq!(pass_on(from, leader, &[]).unwrap().0, 401);
}

#[test]
fn a_change_of_leaders_is_a_pause_and_each_change_is_made_once() {
    let mut cluster = Cluster::start();
    let leader = cluster.leader();
    submit(cluster.any(), "many", 10_000);
    assert_eq!(cluster.any().post("/runs/many/cancel", &json!({})).status, 200);
    let leaving = cluster.take(leader);
    let stopped = AtomicBool::new(false);
    let (retried, submitted) = std::thread::scope(|scope| {
        let followers = cluster.followers(leader);
        let (one, two) = (followers[0], followers[1]);
        // A second retry of an element would be refused, so that one that is made twice is seen.
        let retrying = scope.spawn(|| {
            let mut retried = 0;
            while !stopped.load(Ordering::Relaxed) || retried < 20 {
                let answer = one.post(&format!("/runs/many/retry?element={retried}"), &json!({}));
                assert_eq!((answer.status, answer.json()["elements"].as_u64()), (200, Some(1)), "{answer:?}");
                retried += 1;
            }
            retried
        });
        let submitting = scope.spawn(|| {
            let mut submitted = 0;
            while !stopped.load(Ordering::Relaxed) || submitted < 20 {
                // Without a name: sent twice with different names it would be two.
                let answer = two.post("/runs", &json!({"job": job()}));
                assert!([200, 201].contains(&answer.status), "{answer:?}");
                let listed = two.get(&format!("/runs/{}", answer.json()["name"].as_str().unwrap()));
                assert_eq!(listed.status, 200, "{listed:?}");
                submitted += 1;
            }
            submitted
        });
        drop(leaving);
        stopped.store(true, Ordering::Relaxed);
        (retrying.join().unwrap(), submitting.join().unwrap())
    });
    assert_ne!(cluster.leader(), leader);
    let run = cluster.any().get("/runs/many").json();
    assert_eq!(
        run["elements"]["canceled"].as_u64(),
        Some(10_000 - retried),
        "{retried} of {}",
        run["elements"]
    );
    assert_eq!(cluster.any().get("/status").json()["open_runs"].as_u64(), Some(submitted + 1));
    // A key is known to the next leader, too.
    cluster.start_again(leader);
    let first = cluster.any().post_as("k", "/runs/many/cancel?element=1", &json!({}));
    let led = cluster.leader();
    cluster.stop(led);
    let again = cluster.any().post_as("k", "/runs/many/cancel?element=1", &json!({}));
    assert_eq!((first.status, again.status, &again.json()), (200, 200, &first.json()));
    let other = cluster.any().post_as("k", "/runs/many/cancel?element=2", &json!({}));
    assert_eq!((other.status, other.problem().as_str()), (422, "key-reused"));
}

#[test]
fn events_pass_through_a_follower_and_end_with_word_to_come_again_when_leadership_moves() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    let followers = cluster.followers(leader);
    submit(followers[0], "one", 1);
    let follow = |server: &Server, path: &str| {
        let stream = server.begin(&format!(
            "GET /api/v1/runs/one/{path} HTTP/1.1\nHost: {}\nAccept: text/event-stream\nAuthorization: Bearer {TOKEN}",
            server.address
        ));
        BufReader::new(stream).lines().map(Result::unwrap)
    };
    let until = |mut lines: &mut dyn Iterator<Item = String>, part: &str| {
        let found = Iterator::find(&mut lines, |line| line.contains(part));
        found.unwrap_or_else(|| panic!("no line has `{part}`"))
    };
    let mut streams: Vec<_> = (1..=3).map(|id| follow(cluster.server(id), "wait")).collect();
    streams.iter_mut().for_each(|lines| drop(until(lines, "\"Queued\"")));
    let mut logs = follow(followers[0], "logs?follow=true");
    until(&mut logs, "200 OK");
    let next = (1..=3).find(|id| *id != leader).unwrap();
    let given = followers[1].post(&format!("/controllers/{next}/lead"), &json!({}));
    assert_eq!(given.status, 204, "{given:?}");
    assert_eq!(cluster.leader(), next);
    for lines in streams.iter_mut().chain([&mut logs]) {
        until(lines, "retry: ");
        assert!(lines.all(|line| !line.starts_with("event:")), "the stream goes on");
    }
    let mut streams: Vec<_> = (1..=3).map(|id| follow(cluster.server(id), "wait")).collect();
    streams.iter_mut().for_each(|lines| drop(until(lines, "\"Queued\"")));
    assert_eq!(followers[0].post("/runs/one/cancel", &json!({})).status, 200);
    for lines in &mut streams {
        until(lines, "\"Canceled\"");
        assert!(lines.all(|line| !line.contains("retry:")));
    }
}

#[test]
fn what_the_leaders_history_lacks_another_ones_has() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    submit(cluster.any(), "one", 1);
    let run = cluster.any().get("/runs/one").json();
    // As after a snapshot of another controller took the place of the state.
    let lacking = |id: u64| assert!(cluster.server(id).controller().history().set_gap(1 << 40).unwrap());
    for id in [leader, (1..=3).find(|id| *id != leader).unwrap()] {
        lacking(id);
        for server in 1..=3 {
            let told = cluster.server(server).get("/runs/one");
            assert_eq!((told.status, &told.json()["job"]), (200, &run["job"]), "{told:?}");
            assert_eq!(cluster.server(server).get("/runs/one/logs").status, 200);
        }
    }
    (1..=3).for_each(lacking);
    for server in 1..=3 {
        let told = cluster.server(server).get("/runs/one");
        assert_eq!((told.status, told.problem().as_str()), (503, "history-behind"));
        // What needs no history goes on.
        assert_eq!(cluster.server(server).get("/runs/one/explain").status, 200);
    }
}

#[test]
fn a_controller_joins_by_what_the_gateway_gives_and_goes_again() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    let follower = cluster.followers(leader)[0];
    submit(follower, "one", 1);
    let invited = follower.post("/controllers", &json!({}));
    assert_eq!(invited.status, 201, "{invited:?}");
    let bundle: JoinBundle = serde_json::from_value(invited.json()).unwrap();
    let joined = cluster.join(&bundle);
    let role = |id: u64| {
        let known = follower.get("/controllers").json();
        let found = known["items"].as_array()?.iter().find(|item| item["id"] == id)?.clone();
        found["role"].as_str().filter(|_| found["matched"].as_u64() > Some(0)).map(str::to_owned)
    };
    wait_for("a fourth vote", || (role(bundle.id)? == "voter").then_some(()));
    wait_for("readiness", || (joined.get("/~/readyz").status == 200).then_some(()));
    assert_eq!(joined.get("/runs/one").json()["state"], "Queued");
    submit(&joined, "two", 1);
    assert_eq!(joined.post(&format!("/controllers/{}/lead", bundle.id), &json!({})).status, 204);
    assert_eq!(follower.get("/status").json()["controller"], bundle.id);
    // It leads, and so gives leadership away first.
    assert_eq!(follower.delete(&format!("/controllers/{}", bundle.id)).status, 204);
    let gone = || {
        let known = follower.get("/controllers");
        (known.status == 200 && known.json()["items"].as_array()?.len() == 3).then_some(())
    };
    wait_for("its going", gone);
    assert_eq!(follower.get("/runs/two").json()["state"], "Queued");
    wait_for("its own word", || (joined.get("/~/readyz").status == 503).then_some(()));
}

#[test]
fn without_a_majority_nothing_is_said_to_be_done() {
    let mut cluster = Cluster::start();
    let leader = cluster.leader();
    submit(cluster.any(), "one", 1);
    for id in (1..=3).filter(|id| *id != leader) {
        cluster.stop(id);
    }
    let alone = cluster.server(leader);
    let change = alone.post("/runs/one/cancel", &json!({}));
    assert_eq!(change.status, 503, "{change:?}");
    assert!(["uncertain", "no-leader"].contains(&change.problem().as_str()), "{change:?}");
    let read = alone.get("/runs/one");
    assert_eq!((read.status, read.problem().as_str()), (503, "no-leader"));
    assert_eq!(alone.get("/~/readyz").status, 503);
    assert_eq!(alone.get("/~/healthz").status, 200);
}

#[test]
fn who_follows_a_quiet_log_and_leaves_holds_nothing_and_too_many_are_told() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    let follower = cluster.followers(leader)[0];
    submit(follower, "one", 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let follow = || {
        let headers = [("authorization".to_owned(), BlobData(format!("Bearer {TOKEN}").into_bytes()))];
        let path_and_query = "/api/v1/runs/one/logs?follow=true".to_owned();
        let head = HttpRequest { method: "GET".to_owned(), path_and_query, headers: headers.into() };
        runtime.block_on(async {
            let (body, answering) = follower.controller().forward(ControllerId(leader), head).await?.split();
            body.end().await?;
            let (head, body) = answering.head().await?;
            assert_eq!(head.status, 200);
            Ok::<_, ForwardError>(body)
        })
    };
    // Nothing is printed, ever. One follows from outside, all others from within: sockets are few.
    let mut outside = follower.begin(&format!(
        "GET /api/v1/runs/one/logs?follow=true HTTP/1.1\nHost: {}\nAuthorization: Bearer {TOKEN}",
        follower.address
    ));
    let mut begun = [0; 15];
    outside.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");
    let mut following: Vec<_> = (1..1024).map(|_| follow().unwrap()).collect();
    let told = follower.get("/status");
    assert_eq!((told.status, told.problem().as_str()), (503, "crowded"), "{told:?}");
    // What controllers want of each other does not wait for it.
    let content = b"a blob";
    let leads = cluster.server(leader);
    assert_eq!(leads.put_bytes(&format!("/blobs/{}", Digest::of(content)), content).status, 201);
    drop(outside);
    assert_eq!(follower.get("/status").status, 200, "one has left");
    // More than there are streams: those of them that left must be free.
    for _ in 0..3 {
        following.clear();
        following.extend((0..1024).map(|_| follow().unwrap()));
    }
    following.clear();
    assert_eq!(follower.get("/status").status, 200, "all have left");
}
