//! A real controller and a real gateway on a temporary folder, and a client for them.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tidegate_controller::{Controller, ControllerConfig, start};
use tidegate_gateway::{BodyLimits, Gateway, GatewayConfig, GatewaySocket};
use tidegate_provider::Catalogue;
use tidegate_scheduler::Limits;
use tokio::sync::oneshot;

pub(crate) const TOKEN: &str = "a-token-for-tests";
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    controller: Option<Controller>,
    agent: ureq::Agent,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    folder: Option<TempDir>,
}

/// An answer: its status, and its body as JSON where it is.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) allow: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The word of a problem document.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status, "{json}");
        assert!(json["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{json}");
        json["type"].as_str().unwrap().trim_start_matches("urn:tidegate:problem:").to_owned()
    }
}

/// A controller in this folder, for others at `listen`.
pub(crate) fn config(data: &Path, listen: SocketAddr) -> ControllerConfig {
    ControllerConfig {
        data: data.to_owned(),
        cluster: "test".to_owned(),
        listen,
        advertise: None,
        http: String::new(),
        nodes: None,
        record: None,
        limits: Limits::default(),
        log: Default::default(),
        catalogue: Catalogue::builtin(),
        // No pool of these tests ever gets a node.
        worker_program: ("/nonexistent".into(), Vec::new()),
        set_up_node: Arc::new(|_| Err("these tests have no nodes".to_owned())),
    }
}

async fn serve(
    config: ControllerConfig,
    told: std::sync::mpsc::Sender<(SocketAddr, Controller)>,
    stop: oneshot::Receiver<()>,
) {
    let mut socket = GatewaySocket::bind(ANY_PORT).unwrap();
    socket.answer_meanwhile().unwrap();
    let http = format!("http://{}", socket.address());
    let running = start(ControllerConfig { http, ..config }).await.unwrap();
    let limits = BodyLimits { json: 100_000, batch: 4 << 20, blob: 4 << 20 };
    let names = vec!["tide.example".to_owned()];
    let gateway = GatewayConfig { limits, names, ..GatewayConfig::new(TOKEN) };
    let gateway = Gateway::start(socket, gateway, running.controller.clone()).unwrap();
    told.send((gateway.address, running.controller.clone())).unwrap();
    let handle = gateway.handle.clone();
    let serving = actix_rt::spawn(gateway.server);
    drop(stop.await);
    handle.stop(true).await;
    serving.await.unwrap().unwrap();
    running.stop().await;
}

impl Server {
    pub(crate) fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder.path().join("data"), ANY_PORT);
        let mut server = Server::of(config);
        server.folder = Some(folder);
        server
    }

    /// One that is started in this way.
    pub(crate) fn of(config: ControllerConfig) -> Server {
        let (told, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread =
            std::thread::spawn(move || actix_rt::System::new().block_on(serve(config, told, stopped)));
        let (address, controller) =
            address.recv_timeout(Duration::from_secs(60)).expect("the server comes up");
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let controller = Some(controller);
        Server { address, controller, agent, stop: Some(stop), thread: Some(thread), folder: None }
    }

    /// With a pool that never gets a node, so that runs stay where they are put.
    pub(crate) fn with_pool() -> Server {
        let server = Server::start();
        let answer = server.put("/pools/default", &json!({"type": "amlcompute", "max_instances": 0}));
        assert_eq!(answer.status, 200, "{answer:?}");
        server
    }

    /// The controller behind it.
    pub(crate) fn controller(&self) -> &Controller {
        self.controller.as_ref().expect("it runs")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.read(self.agent.get(self.url(path)).header("authorization", self.bearer()).call())
    }

    pub(crate) fn head(&self, path: &str) -> Answer {
        self.read(self.agent.head(self.url(path)).header("authorization", self.bearer()).call())
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.read(self.agent.delete(self.url(path)).header("authorization", self.bearer()).call())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.read(self.agent.post(self.url(path)).header("authorization", self.bearer()).send_json(body))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.read(self.agent.put(self.url(path)).header("authorization", self.bearer()).send_json(body))
    }

    /// A change under a key.
    pub(crate) fn post_as(&self, key: &str, path: &str, body: &Value) -> Answer {
        let request = self.agent.post(self.url(path)).header("authorization", self.bearer());
        self.read(request.header("idempotency-key", key).send_json(body))
    }

    pub(crate) fn put_bytes(&self, path: &str, body: &[u8]) -> Answer {
        self.read(self.agent.put(self.url(path)).header("authorization", self.bearer()).send(body))
    }

    pub(crate) fn post_text(&self, path: &str, body: &str) -> Answer {
        let request = self.agent.post(self.url(path)).header("authorization", self.bearer());
        self.read(request.header("content-type", "application/json").send(body))
    }

    /// A request as it is written, for what no client would send.
    pub(crate) fn raw(&self, head: &str) -> (u16, String) {
        let mut stream = self.begin(head);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, text)
    }

    /// The same, to be read as it comes.
    pub(crate) fn begin(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "{}\r\nConnection: close\r\n\r\n", head.replace('\n', "\r\n")).unwrap();
        stream
    }

    fn bearer(&self) -> String {
        format!("Bearer {TOKEN}")
    }

    fn url(&self, path: &str) -> String {
        let prefix = if path.starts_with("/~") { "" } else { "/api/v1" };
        format!("http://{}{prefix}{}", self.address, path.trim_start_matches("/~"))
    }

    fn read(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
        let mut answer = answer.unwrap();
        let header = |name: &str| {
            answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (kind, allow) = (header("content-type"), header("allow"));
        let bytes = answer.body_mut().read_to_vec().unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: answer.status().as_u16(), kind, allow, bytes, text }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whoever holds it keeps the data folder.
        drop(self.controller.take());
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}

/// A job that runs nothing in particular.
pub(crate) fn job() -> Value {
    json!({"command": "true", "environment": "azureml:e@latest"})
}
