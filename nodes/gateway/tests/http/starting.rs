//! A port that is taken before the controller can answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tidegate_gateway::GatewaySocket;

fn ask(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "{head} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn whoever_asks_before_the_controller_is_there_is_told_so_at_once() {
    let mut socket = GatewaySocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.address();
    socket.answer_meanwhile().unwrap();
    for head in ["GET /readyz", "GET /api/v1/status", "POST /api/v1/runs", "DELETE /nowhere"] {
        let told = ask(address, head).to_lowercase();
        assert!(told.starts_with("http/1.1 503"), "{told}");
        assert!(told.contains("retry-after: 1") && told.contains("urn:tidegate:problem:starting"), "{told}");
    }
    let alive = ask(address, "GET /healthz");
    assert!(alive.starts_with("HTTP/1.1 200") && alive.ends_with("ok\n"), "{alive}");
    let other = GatewaySocket::bind(address).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(other.contains("is in use"), "{other}");
    drop(socket);
    // A start that failed leaves nobody who answers.
    GatewaySocket::bind(address).unwrap();
}
