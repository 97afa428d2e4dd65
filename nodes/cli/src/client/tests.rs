//! Requests against small real servers: some answer, some are busy, some break off, some are not there.

use super::*;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// What a server does with every request.
#[derive(Clone, Copy)]
enum Does {
    Answer(&'static str),
    Busy,
    Full,
    BreakOff,
    Hang,
}

/// What came to a server: the first line, the headers, the body.
struct Came {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

const BUSY: &str =
    r#"{"type":"urn:tidegate:problem:not-leader","title":"t","status":503,"detail":"an election"}"#;
const FULL: &str =
    r#"{"type":"urn:tidegate:problem:unavailable","title":"t","status":503,"detail":"the disk is full"}"#;

/// A server for as many connections as come while the test lasts.
fn server(does: Does) -> (String, Receiver<Came>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (told, came) = channel();
    std::thread::spawn(move || {
        // Connections that are to hang must stay open.
        let mut open = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            if told.send(serve(&stream, does)).is_err() {
                return;
            }
            open.extend(matches!(does, Does::Hang).then_some(stream));
        }
    });
    (url, came)
}

fn serve(mut stream: &TcpStream, does: Does) -> Came {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let headers: BTreeMap<String, String> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(k, v)| (k.to_lowercase(), v.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer = |status: &str, more: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{more}\r\n{body}",
            body.len()
        )
    };
    let answer = match does {
        Does::Answer(text) => answer("200 OK", "", text),
        Does::Busy => answer("503 Service Unavailable", "retry-after: 1\r\n", BUSY),
        Does::Full => answer("503 Service Unavailable", "retry-after: 1\r\n", FULL),
        Does::BreakOff => {
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{\"a\"".to_owned()
        }
        Does::Hang => String::new(),
    };
    stream.write_all(answer.as_bytes()).unwrap();
    Came { line: lines[0].clone(), headers, body: String::from_utf8(body).unwrap() }
}

/// A port at which nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn client(servers: &[&str]) -> Client {
    let servers = servers.iter().map(|server| (*server).to_owned()).collect();
    Client::of(Servers::new(servers).unwrap(), Some("token".to_owned()))
}

#[test]
fn a_change_goes_on_to_the_next_server_under_the_same_key() {
    let (busy, at_busy) = server(Does::Busy);
    let (broken, at_broken) = server(Does::BreakOff);
    let (good, at_good) = server(Does::Answer("7"));
    let client = client(&[&nowhere(), &busy, &broken, &good]);
    let answer: u32 = client.post("/x", &[], &"body").unwrap();
    assert_eq!(answer, 7);
    let came = [at_busy, at_broken, at_good].map(|at| at.recv().unwrap());
    for one in &came {
        assert_eq!((one.line.as_str(), one.body.as_str()), ("POST /api/v1/x HTTP/1.1", "\"body\""));
        assert_eq!(one.headers["authorization"], "Bearer token");
        assert_eq!(one.headers["idempotency-key"], came[0].headers["idempotency-key"]);
    }
    // What answered is asked first from now on, and another change has another key.
    let again: u32 = client.post("/x", &[], &"body").unwrap();
    assert_eq!(again, 7);
}

#[test]
fn a_server_that_hangs_is_left_for_another() {
    let (hangs, _at_hangs) = server(Does::Hang);
    let (good, _at_good) = server(Does::Answer("[1]"));
    let got: Vec<u32> = client(&[&hangs, &good]).get("/x", &[]).unwrap();
    assert_eq!(got, [1]);
}

#[test]
fn bytes_are_sent_again_from_the_first() {
    let (busy, at_busy) = server(Does::Busy);
    let (good, at_good) = server(Does::Answer(""));
    let open = || Ok(Box::new(Cursor::new("content")) as Box<dyn Read>);
    client(&[&busy, &good]).put_bytes("/blobs/d", 7, open).unwrap();
    assert_eq!([at_busy, at_good].map(|at| at.recv().unwrap().body), ["content", "content"]);
}

#[test]
fn what_nobody_answers_is_given_up_and_what_is_final_is_told_at_once() {
    let failure = client(&[&nowhere(), &nowhere()]).impatient().get::<u32>("/x", &[]).unwrap_err();
    assert_eq!(failure.code(), 4);
    assert!(failure.to_string().contains("no controller of http://"), "{failure}");
    // Alone, there is nobody to go to.
    let alone = client(&[&nowhere()]).get::<u32>("/x", &[]).unwrap_err();
    assert!(alone.code() == 4 && alone.to_string().contains("is it running?"), "{alone}");
    let (busy, _at_busy) = server(Does::Busy);
    let busy = client(&[&busy]).impatient().get::<u32>("/x", &[]).unwrap_err();
    assert!(busy.code() == 4 && busy.to_string().contains("an election"), "{busy}");
    // A full disk does not pass by itself, though one server alone may be about to stop.
    let [(full, _at_full), (other, _at_other)] = [(); 2].map(|()| server(Does::Full));
    let failure = client(&[&full, &other]).post::<u32>("/x", &[], &1).unwrap_err();
    assert!(failure.code() == 3 && failure.to_string().contains("the disk is full"), "{failure}");
    let (good, _at_good) = server(Does::Answer("7"));
    assert_eq!(client(&[&full, &good]).post::<u32>("/x", &[], &1).unwrap(), 7);
}

#[test]
fn a_stranger_is_told_from_a_server() {
    let (stranger, _came) = server(Does::Answer("<html>"));
    let failure = client(&[&stranger]).get::<u32>("/x", &[]).unwrap_err();
    assert!(failure.code() == 4 && failure.to_string().contains("no Tidegate of this release"), "{failure}");
}
