//! A slow network: whatever a host sends leaves it later, in the same order.
//!
//! Each host's packets are handed to a thread of this process, which lets them go when it is time. The kernel's own means
//! for this, netem, is not built into every kernel; this is.

use std::{
    collections::VecDeque,
    io::ErrorKind,
    process::Command,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nfq::{Message, Queue, Verdict};

use super::{
    hosts::{Hosts, INTERFACE},
    namespace::Namespace,
};

/// The number of the queue, in each host.
const QUEUE: u16 = 1;
/// What is held at most in each host; beyond, packets are lost, as on any path.
const HELD: u32 = 65536;
/// How much of a packet is looked at: little, as nothing is changed.
const LOOKED_AT: u16 = 64;
/// How late a packet may be seen, and let go: the queues cannot be waited for.
const TICK: Duration = Duration::from_micros(500);

/// The thread that holds packets back.
#[derive(Debug)]
pub(super) struct Delay {
    micros: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
    hosts: Vec<Arc<Namespace>>,
}

impl Hosts {
    /// From now on, whatever a host sends to another arrives so much later, up to a minute: a round trip takes twice as
    /// long. Zero ends it.
    ///
    /// # Errors
    /// It is more than a minute, or the system refuses.
    pub fn set_delay(&self, one_way: Duration) -> Result<()> {
        ensure!(one_way <= Duration::from_secs(60), "a delay of {one_way:?} is more than a minute");
        let mut delay = self.delay.lock().unwrap_or_else(PoisonError::into_inner);
        match delay.take() {
            Some(running) if !one_way.is_zero() => {
                running.set(one_way);
                *delay = Some(running);
                Ok(())
            }
            Some(mut running) => running.end(),
            None if one_way.is_zero() => Ok(()),
            None => {
                let hosts = self.all().iter().map(|host| host.namespace.clone()).collect();
                *delay = Some(Delay::begin(hosts, one_way)?);
                Ok(())
            }
        }
    }
}

impl Delay {
    fn begin(hosts: Vec<Arc<Namespace>>, by: Duration) -> Result<Delay> {
        let mut queues = Vec::new();
        for host in &hosts {
            let queue = host.inside(queue)?.context("cannot open a queue of packets")?;
            queues.push(Held { queue, packets: VecDeque::new() });
        }
        let (micros, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (by_now, stopped) = (micros.clone(), stop.clone());
        let thread = thread::Builder::new()
            .name("delay".to_owned())
            .spawn(move || hold_back(queues, &by_now, &stopped))?;
        let delay = Delay { micros, stop, thread: Some(thread), hosts };
        delay.set(by);
        delay.rule("-A")?;
        Ok(delay)
    }

    fn set(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.micros.store(micros, Ordering::Relaxed);
    }

    /// Adds (`-A`) or removes (`-D`) the rule that hands packets over. nftables cannot do it: `queue` is not built into
    /// every kernel that has iptables' NFQUEUE.
    fn rule(&self, change: &str) -> Result<()> {
        for host in &self.hosts {
            let number = QUEUE.to_string();
            let mut command = Command::new("iptables");
            command.args(["--wait", change, "OUTPUT", "--out-interface", INTERFACE, "--jump", "NFQUEUE"]);
            // Without the thread, packets pass.
            command.args(["--queue-num", &number, "--queue-bypass"]);
            host.succeed(&mut command, "")?;
        }
        Ok(())
    }

    /// Takes the rule away, lets go what is held, and tells why the thread has ended if it has by itself.
    fn end(&mut self) -> Result<()> {
        let removed = self.rule("-D");
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        removed
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        if self.thread.is_none() {
            return;
        }
        if let Err(error) = self.end() {
            eprintln!("packets were not held back to the end: {error:#}");
            assert!(thread::panicking(), "packets were not held back to the end: {error:#}");
        }
    }
}

/// A host's packets.
struct Held {
    queue: Queue,
    packets: VecDeque<(Instant, Message)>,
}

/// Opens the queue of the host that this thread is in.
fn queue() -> std::io::Result<Queue> {
    let mut queue = Queue::open()?;
    queue.bind(QUEUE)?;
    queue.set_copy_range(QUEUE, LOOKED_AT)?;
    queue.set_queue_max_len(QUEUE, HELD)?;
    queue.set_nonblocking(true);
    Ok(queue)
}

fn hold_back(mut hosts: Vec<Held>, micros: &AtomicU64, stop: &AtomicBool) -> Result<()> {
    while !stop.load(Ordering::Acquire) {
        let by = Duration::from_micros(micros.load(Ordering::Relaxed));
        let mut busy = false;
        for host in &mut hosts {
            busy |= host.take(by)?;
            busy |= host.let_go(Instant::now())?;
        }
        if !busy {
            thread::sleep(TICK);
        }
    }
    for host in &mut hosts {
        host.take(Duration::ZERO)?;
        while let Some((_, packet)) = host.packets.pop_front() {
            host.accept(packet)?;
        }
    }
    Ok(())
}

impl Held {
    /// Takes what has been sent since.
    fn take(&mut self, by: Duration) -> Result<bool> {
        let mut busy = false;
        loop {
            match self.queue.recv() {
                Ok(packet) => self.packets.push_back((Instant::now() + by, packet)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(busy),
                Err(error) => return Err(error).context("cannot take packets"),
            }
            busy = true;
        }
    }

    /// Lets go whose time has come.
    fn let_go(&mut self, now: Instant) -> Result<bool> {
        let mut busy = false;
        while self.packets.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, packet)) = self.packets.pop_front() {
                self.accept(packet)?;
                busy = true;
            }
        }
        Ok(busy)
    }

    fn accept(&mut self, mut packet: Message) -> Result<()> {
        packet.set_verdict(Verdict::Accept);
        self.queue.verdict(packet).context("cannot let a packet go")
    }
}
