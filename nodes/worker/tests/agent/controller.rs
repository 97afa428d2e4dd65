//! A controller's end of the wire: an endpoint that accepts the node, a store of blobs, and what the node has said.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    rc::Rc,
    time::Duration,
};

use tempfile::TempDir;
use tidegate_scheduler::{
    ids::Fence,
    message::{Assignment, End, FromWorker, Phase, Report, ToWorker},
};
use tidegate_store::{
    BlobStore, Digest, StoreOptions, Tree, TreeKind,
    artifacts::Artifacts,
    node_wire::{FromNode, NodeHello, ToNode},
    wire::{BlobData, BulkReply, BulkRequest, LogStream},
};
use tidegate_transport::{
    bulk::BulkStream,
    close::CloseCode,
    config::Config,
    endpoint::Endpoint,
    link::{Class, Link},
    tls::{ClusterCa, Role},
};
use tokio::time::timeout;

use crate::blobs::{Bulk, serve};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) struct Controller {
    pub(crate) ca: Rc<ClusterCa>,
    name: String,
    endpoint: Endpoint,
    pub(crate) blobs: BlobStore,
    link: Option<Link>,
    heard: VecDeque<FromNode>,
    /// The term in which it leads, when it does.
    pub(crate) term: u64,
    pub(crate) bulk: Bulk,
    folder: Rc<TempDir>,
}

/// An end, with what the node says that it left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) report: Report,
    pub(crate) artifacts: Artifacts,
}

impl Controller {
    pub(crate) fn new() -> Self {
        let folder = Rc::new(TempDir::new().unwrap());
        let ca = Rc::new(ClusterCa::create("c").unwrap());
        let endpoint = bind(&ca, "c1");
        let options = StoreOptions { durable: false, ..StoreOptions::default() };
        let blobs = BlobStore::open(folder.path().join("blobs"), options).unwrap();
        Self {
            ca,
            name: "c1".to_owned(),
            endpoint,
            blobs,
            link: None,
            heard: VecDeque::new(),
            term: 1,
            bulk: Bulk::default(),
            folder,
        }
    }

    /// Another of the same cluster. What one has stored the others have, too.
    pub(crate) fn peer(&self, name: &str) -> Self {
        Self {
            ca: self.ca.clone(),
            name: name.to_owned(),
            endpoint: bind(&self.ca, name),
            blobs: self.blobs.clone(),
            link: None,
            heard: VecDeque::new(),
            term: 1,
            bulk: Bulk::default(),
            folder: self.folder.clone(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.endpoint.local_addr().unwrap().port()))
    }

    /// Waits for the node to connect, and leads: what the node says that there is.
    pub(crate) async fn accept(&mut self) -> (u64, Vec<(Fence, Phase)>) {
        loop {
            self.connected().await;
            // A link of an agent that has just been killed may be accepted, and says nothing more.
            if let Some(there) = self.try_lead().await {
                return there;
            }
        }
    }

    /// Waits for the node to connect, which says nothing by itself.
    pub(crate) async fn connected(&mut self) {
        let link =
            timeout(PATIENCE, self.endpoint.accept()).await.expect("a node connects").unwrap().unwrap();
        let hello: NodeHello = rmp_serde::from_slice(&link.hello().payload).unwrap();
        assert_eq!((hello.node, link.peer().name.as_str()), (7, "n7"));
        self.heard.clear();
        actix_rt::spawn(serve(link.clone(), self.blobs.clone(), self.bulk.clone()));
        self.link = Some(link);
    }

    /// Begins to lead, in this term: what the node says that there is.
    pub(crate) async fn lead(&mut self, term: u64) -> Vec<(Fence, Phase)> {
        self.term = term;
        self.try_lead().await.expect("the link lasts").1
    }

    async fn try_lead(&mut self) -> Option<(u64, Vec<(Fence, Phase)>)> {
        let asked = ToNode::Say(ToWorker::Attach { term: self.term });
        self.link.as_ref().unwrap().send(Class::Control, &asked).await.ok()?;
        loop {
            match self.next().await? {
                FromNode::Say(FromWorker::Attach { incarnation, attempts }) => {
                    let phases = attempts.into_iter().map(|(fence, phase, _)| (fence, phase)).collect();
                    return Some((incarnation, phases));
                }
                message => self.heard.push_back(message),
            }
        }
    }

    /// What was heard since the link was there, and was not waited for.
    pub(crate) fn heard(&self) -> &VecDeque<FromNode> {
        &self.heard
    }

    /// Waits until the link is gone.
    pub(crate) async fn closed(&mut self) {
        let link = self.link.take().unwrap();
        timeout(PATIENCE, link.closed()).await.expect("the node hangs up");
    }

    /// Closes the link; the node comes back.
    pub(crate) fn hang_up(&mut self) {
        self.link.take().unwrap().close(CloseCode::Done, "the test says so");
    }

    /// Is away: nobody answers at its address.
    pub(crate) async fn vanish(&mut self) {
        self.link = None;
        self.endpoint.close("away").await;
    }

    /// Is there again, at another port.
    pub(crate) fn reappear(&mut self) {
        self.endpoint = bind(&self.ca, &self.name);
    }

    pub(crate) async fn say(&self, message: ToWorker) {
        self.link.as_ref().unwrap().send(Class::Control, &ToNode::Say(message)).await.unwrap();
    }

    pub(crate) async fn send(&self, message: ToNode) {
        self.link.as_ref().unwrap().send(Class::Control, &message).await.unwrap();
    }

    /// Gives the node an assignment, and its body along with it.
    pub(crate) async fn assign(&self, assignment: Assignment, body: Option<&str>) {
        if let Some(body) = body {
            self.send(ToNode::Body { id: assignment.body, body: body.as_bytes().to_vec() }).await;
        }
        self.say(ToWorker::Start(Box::new(assignment))).await;
    }

    async fn next(&mut self) -> Option<FromNode> {
        loop {
            let received = self.link.as_ref().unwrap().recv::<FromNode>(Class::Control);
            match timeout(PATIENCE, received).await.expect("the node says something") {
                Ok(FromNode::Say(FromWorker::Heartbeat)) => {}
                Ok(message) => return Some(message),
                Err(_) => return None,
            }
        }
    }

    /// Waits for an end, which is not acknowledged.
    pub(crate) async fn ended(&mut self, fence: u64) -> Ended {
        let fits = |message: &FromNode| matches!(message, FromNode::Ended { report, .. } if report.fence == Fence(fence));
        let FromNode::Ended { report, blobs } = self.wait(fits).await else { unreachable!() };
        for blob in blobs {
            self.blobs.put(blob.into_vec()).unwrap();
        }
        let artifacts = Artifacts::decode(&report.artifacts).unwrap();
        let all: Vec<Digest> = artifacts.digests().collect();
        assert_eq!(self.blobs.missing(&all).unwrap(), [], "an end refers to what was sent");
        Ended { report: *report, artifacts }
    }

    /// Waits for any end: whose.
    pub(crate) async fn any_end(&mut self) -> u64 {
        match self.wait(|message| matches!(message, FromNode::Ended { .. })).await {
            FromNode::Ended { report, .. } => report.fence.0,
            FromNode::Say(_) => unreachable!(),
        }
    }

    pub(crate) async fn acknowledge(&self, fence: u64) {
        self.say(ToWorker::Acknowledge { fence: Fence(fence) }).await;
    }

    /// Waits until an attempt has come to a phase.
    pub(crate) async fn phase(&mut self, fence: u64, wanted: Phase) {
        let fits = |message: &FromNode| matches!(message, FromNode::Say(FromWorker::Phase { fence: of, phase, .. }) if *of == Fence(fence) && *phase == wanted);
        self.wait(fits).await;
    }

    async fn wait(&mut self, fits: impl Fn(&FromNode) -> bool) -> FromNode {
        if let Some(at) = self.heard.iter().position(&fits) {
            return self.heard.remove(at).unwrap();
        }
        // Heartbeats alone are no answer.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let next = tokio::time::timeout_at(deadline, self.next()).await;
            let message = next.expect("it is said in time").expect("the link lasts");
            if fits(&message) {
                return message;
            }
            self.heard.push_back(message);
        }
    }

    /// The heartbeats of the next moments.
    pub(crate) async fn heartbeats(&mut self, count: usize) {
        for _ in 0..count {
            loop {
                let received = self.link.as_ref().unwrap().recv::<FromNode>(Class::Control);
                match timeout(PATIENCE, received).await.expect("a heartbeat").unwrap() {
                    FromNode::Say(FromWorker::Heartbeat) => break,
                    message => self.heard.push_back(message),
                }
            }
        }
    }

    /// Opens a log.
    pub(crate) async fn log(&self, fence: u64, stream: LogStream, offset: u64, follow: bool) -> Log {
        let request = BulkRequest::ReadLog { fence, stream, offset, follow };
        Log(self.link.as_ref().unwrap().open_bulk(&request).await.unwrap())
    }

    pub(crate) fn blob(&self, digest: &Digest) -> Vec<u8> {
        self.blobs.get(digest).unwrap().expect("it was sent")
    }

    pub(crate) fn stdout(&self, ended: &Ended) -> String {
        let log = ended.artifacts.stdout.as_ref().expect("it has printed something");
        String::from_utf8(self.blob(&log.digest)).unwrap()
    }

    pub(crate) fn stderr(&self, ended: &Ended) -> String {
        let log = ended.artifacts.stderr.as_ref().expect("it has complained");
        String::from_utf8(self.blob(&log.digest)).unwrap()
    }

    /// The files of a tree: path and content.
    pub(crate) fn files(&self, tree: &Digest) -> Vec<(String, String)> {
        let tree = Tree::decode(&self.blob(tree)).unwrap();
        let file = |(path, digest, _): (&str, Digest, u64)| {
            (path.to_owned(), String::from_utf8(self.blob(&digest)).unwrap())
        };
        tree.files().map(file).collect()
    }

    /// Stores a folder, and gives its address.
    pub(crate) fn store_folder(&self, folder: &Path) -> String {
        let scanned =
            tidegate_store::scan_folder(folder, &tidegate_store::ScanOptions::input(u64::MAX)).unwrap();
        let has_files =
            scanned.tree.entries().iter().any(|entry| matches!(entry.kind, TreeKind::File { .. }));
        assert!(has_files, "an empty folder proves nothing");
        format!("tree:{}", scanned.store_in(&self.blobs).unwrap())
    }
}

/// A log that is being read.
pub(crate) struct Log(BulkStream);

impl Log {
    /// Reads until `text` has come, or the end; gives all that came.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut all = String::new();
        while !all.contains(text) {
            match timeout(PATIENCE, self.0.recv.message::<BulkReply>())
                .await
                .expect("the log goes on")
                .unwrap()
            {
                BulkReply::Data(BlobData(piece)) => all.push_str(std::str::from_utf8(&piece).unwrap()),
                other => panic!("{text:?} does not come: {all:?}, {other:?}"),
            }
        }
        all
    }

    /// Reads to the end: all that came, and the last word.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, BulkReply) {
        let mut all = Vec::new();
        loop {
            match timeout(PATIENCE, self.0.recv.message::<BulkReply>()).await.expect("the log ends").unwrap()
            {
                BulkReply::Data(BlobData(piece)) => all.extend(piece),
                last => return (all, last),
            }
        }
    }
}

impl Ended {
    pub(crate) fn end(&self) -> &End {
        &self.report.end
    }

    pub(crate) fn notes(&self) -> String {
        self.report.notes.join("\n")
    }
}

fn bind(ca: &ClusterCa, name: &str) -> Endpoint {
    let identity = ca.issue(Role::Controller, name, HOUR).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Endpoint::bind(any, &identity, ca.cert(), Config::default()).unwrap()
}
