//! The agent's end: finds the keeper of a folder or starts one, and exchanges messages with it.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io::{self, ErrorKind},
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tidegate_transport::frame::{self, Decoder, FrameError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time,
};

use super::{
    cgroup::Confinement,
    folder::Folder,
    protocol::{FRAME_MAX_BYTES, FromKeeper, ToKeeper, VERSION},
};

/// Messages that wait in each direction before the sender waits, too.
const QUEUE: usize = 1024;
/// Bytes written at once, at most.
const BATCH_BYTES: usize = 256 * 1024;
/// How long a keeper that has been started may take to answer: it may have a dead one's runs to kill first.
const START: Duration = Duration::from_secs(30);
/// How often we look whether it answers.
const START_POLL: Duration = Duration::from_millis(5);
/// How long a keeper that listens may take to say welcome.
const WELCOME: Duration = Duration::from_secs(10);

/// How to start a keeper: a program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program, an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Launch {
    /// `PROGRAM keeper --folder FOLDER --node NODE`.
    pub fn new(program: &Path, folder: &Path, node: &str) -> Self {
        let arguments: [OsString; 5] =
            ["keeper".into(), "--folder".into(), folder.into(), "--node".into(), node.into()];
        Self { program: program.to_owned(), arguments: arguments.into() }
    }
}

/// The keeper cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum KeeperClientError {
    /// Starting or connecting failed.
    #[error("cannot {what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// It was started and does not answer.
    #[error("the keeper does not answer on its socket in {folder}; the last lines of its log {log}: {tail}")]
    Silent {
        /// The node's folder.
        folder: PathBuf,
        /// The keeper's log.
        log: PathBuf,
        /// How that ends.
        tail: String,
    },
    /// It speaks another version than we do.
    #[error(
        "the keeper (process {pid}) speaks version {theirs} of its protocol, this agent version {VERSION}: let its runs end, then stop it with SIGTERM"
    )]
    Version {
        /// The keeper's process.
        pid: u32,
        /// Its version.
        theirs: u32,
    },
    /// What it sends cannot be understood.
    #[error("the keeper sends what cannot be understood: {0}")]
    Frame(#[from] FrameError),
}

/// A connection to the keeper. It ends when this is dropped; the runs go on.
#[derive(Debug)]
pub struct KeeperHandle {
    /// The keeper's process.
    pub pid: u32,
    /// Which limits it enforces.
    pub confinement: Confinement,
    orders: KeeperSender,
    news: mpsc::Receiver<FromKeeper>,
}

/// The sending half, which can be cloned.
#[derive(Debug, Clone)]
pub struct KeeperSender(mpsc::Sender<Vec<u8>>);

/// An order was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The keeper has gone, or hung up on us for another agent.
    #[error("the connection to the keeper has ended")]
    Gone,
    /// The order is too large, as a start with megabytes of environment is. The connection goes on.
    #[error("the order cannot be sent to the keeper: {0}")]
    Unsendable(#[from] FrameError),
}

impl KeeperHandle {
    /// Connects to the keeper of `folder`; starts one if none answers, detached: it outlives us.
    ///
    /// # Errors
    ///
    /// It cannot be started, does not answer, or is of another version.
    pub async fn connect_or_start(folder: &Path, launch: &Launch) -> Result<Self, KeeperClientError> {
        let opened = open(folder)?;
        let deadline = Instant::now() + START;
        let mut starting: Option<Child> = None;
        loop {
            if let Some(handle) = Self::try_connect(&opened).await? {
                if let Some(keeper) = starting {
                    reap_in_time(keeper);
                }
                return Ok(handle);
            }
            if Instant::now() > deadline {
                return Err(KeeperClientError::Silent {
                    folder: folder.to_owned(),
                    log: opened.log(),
                    tail: tail(&opened.log()),
                });
            }
            // One that ended found another at work, which may have been about to leave.
            let ended = |keeper: &mut Child| keeper.try_wait().map(|status| status.is_some());
            let none = match &mut starting {
                Some(keeper) => ended(keeper).map_err(failed("wait for the keeper"))?,
                None => true,
            };
            if none {
                let what = format!("start the keeper {}", launch.program.display());
                starting = Some(start(&opened, launch).map_err(failed(what))?);
            }
            time::sleep(START_POLL).await;
        }
    }

    /// Connects to the keeper of `folder`; `None` if none answers.
    ///
    /// # Errors
    ///
    /// The one that answers is of another version, or its socket is not ours to open.
    pub async fn connect(folder: &Path) -> Result<Option<Self>, KeeperClientError> {
        Self::try_connect(&open(folder)?).await
    }

    async fn try_connect(folder: &Folder) -> Result<Option<Self>, KeeperClientError> {
        let stream = match UnixStream::connect(folder.socket()).await {
            Ok(stream) => stream,
            Err(error) if nobody(&error) => return Ok(None),
            Err(error) => return Err(failed("connect to the keeper's socket")(error)),
        };
        match Self::greet(stream).await {
            Ok(handle) => Ok(Some(handle)),
            Err(KeeperClientError::Io { error, .. }) if nobody(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn greet(stream: UnixStream) -> Result<Self, KeeperClientError> {
        let (mut reading, mut writing) = stream.into_split();
        let hello = frame::encode(&ToKeeper::Hello { version: VERSION }, FRAME_MAX_BYTES)?;
        writing.write_all(&hello).await.map_err(failed("say hello to the keeper"))?;
        let mut decoder = Decoder::new(FRAME_MAX_BYTES);
        let welcome = time::timeout(WELCOME, read_one(&mut reading, &mut decoder)).await;
        let welcome =
            welcome.map_err(|_| failed("hear the keeper's welcome")(ErrorKind::TimedOut.into()))??;
        let FromKeeper::Welcome { version, pid, confinement } = welcome else {
            return Err(failed("hear the keeper's welcome")(ErrorKind::InvalidData.into()));
        };
        if version != VERSION {
            return Err(KeeperClientError::Version { pid, theirs: version });
        }
        let (orders, ordered) = mpsc::channel(QUEUE);
        let (tell, news) = mpsc::channel(QUEUE);
        tokio::spawn(write(writing, ordered));
        tokio::spawn(read(reading, decoder, tell));
        Ok(Self { pid, confinement, orders: KeeperSender(orders), news })
    }

    /// Sends an order, waiting while the queue is full.
    ///
    /// # Errors
    ///
    /// The connection has ended (orders sent shortly before may not have arrived: connect again and list), or the
    /// order is larger than a frame.
    pub async fn send(&self, order: &ToKeeper) -> Result<(), SendError> {
        self.orders.send(order).await
    }

    /// What the keeper says next; `None` when the connection has ended. Safe to cancel.
    pub async fn next(&mut self) -> Option<FromKeeper> {
        self.news.recv().await
    }

    /// Both halves apart, for tasks of their own.
    pub fn split(self) -> (KeeperSender, mpsc::Receiver<FromKeeper>) {
        (self.orders, self.news)
    }
}

impl KeeperSender {
    /// As [`KeeperHandle::send`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn send(&self, order: &ToKeeper) -> Result<(), SendError> {
        let frame = frame::encode(order, FRAME_MAX_BYTES)?;
        self.0.send(frame).await.map_err(|_| SendError::Gone)
    }
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> KeeperClientError {
    let what = what.into();
    move |error| KeeperClientError::Io { what, error }
}

fn open(folder: &Path) -> Result<Folder, KeeperClientError> {
    Folder::open(folder).map_err(failed(format!("open the folder {}", folder.display())))
}

/// Whether this says that there is no keeper: none was, or it is just dying and its socket with it.
fn nobody(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    matches!(error.kind(), NotFound | ConnectionRefused | ConnectionReset | BrokenPipe | UnexpectedEof)
}

/// Starts a keeper in a session of its own, which nothing that happens to us reaches.
fn start(folder: &Folder, launch: &Launch) -> io::Result<Child> {
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(folder.log())?;
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    // SAFETY: setsid is async-signal-safe, and nothing is allocated.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from));
    }
    command.spawn()
}

/// If the keeper ends before us, someone has to reap it.
fn reap_in_time(mut keeper: Child) {
    let wait = move || match keeper.wait() {
        Ok(status) => tracing::info!(%status, "the keeper that we started has ended"),
        Err(error) => tracing::warn!(%error, "cannot wait for the keeper that we started"),
    };
    let thread = thread::Builder::new().name("keeper-wait".to_owned()).stack_size(64 * 1024).spawn(wait);
    if let Err(error) = thread {
        tracing::warn!(%error, "the keeper will stay a zombie if it ends before us");
    }
}

/// The last lines of a log, for an error message.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log)
        .map_or_else(|error| error.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

async fn read_one(
    reading: &mut OwnedReadHalf,
    decoder: &mut Decoder,
) -> Result<FromKeeper, KeeperClientError> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(message) = decoder.next()? {
            return Ok(message);
        }
        match reading.read(&mut buffer).await.map_err(failed("read from the keeper"))? {
            0 => return Err(failed("read from the keeper")(ErrorKind::UnexpectedEof.into())),
            count => decoder.push(&buffer[..count]),
        }
    }
}

async fn read(mut reading: OwnedReadHalf, mut decoder: Decoder, tell: mpsc::Sender<FromKeeper>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        loop {
            match decoder.next() {
                Ok(Some(message)) => {
                    if tell.send(message).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => return tracing::error!(%error, "the keeper sends what cannot be understood"),
            }
        }
        let got = tokio::select! {
            got = reading.read(&mut buffer) => got,
            () = tell.closed() => return,
        };
        match got {
            Ok(0) => return,
            Ok(count) => decoder.push(&buffer[..count]),
            Err(error) => return tracing::warn!(%error, "the connection to the keeper is broken"),
        }
    }
}

/// Writes orders, as many at once as wait.
async fn write(mut writing: OwnedWriteHalf, mut orders: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut batch) = orders.recv().await {
        while batch.len() < BATCH_BYTES
            && let Ok(next) = orders.try_recv()
        {
            batch.extend_from_slice(&next);
        }
        if let Err(error) = writing.write_all(&batch).await {
            return tracing::warn!(%error, "the connection to the keeper is broken");
        }
    }
}
