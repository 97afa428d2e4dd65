//! Measures the agent and the keeper alone: short runs a second over one link, and CPU time a run, with this process as
//! the other end of the link. It acknowledges every end at once and stores nothing.
//!
//! `cargo run --release -p tidegate-worker --example agent_rate [runs] [at once]`, after
//! `cargo build --release -p tidegate-worker --bins`

use std::{
    error::Error,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use tidegate_scheduler::{
    command::OnDisconnect,
    ids::{ContentId, Fence, RunId, Slot},
    message::{Assignment, FromWorker, ToWorker},
    resources::Resources,
    time::Millis,
};
use tidegate_store::{
    Digest,
    node_wire::{FromNode, ToNode},
};
use tidegate_transport::{
    config::Config,
    endpoint::Endpoint,
    link::{Class, Link},
    tls::{ClusterCa, Role},
};
use tidegate_worker::WorkerConfig;

const BODY: &str = r#"{"command":"/bin/true","environment":"azureml:host:1","resources":{"cpus":1}}"#;

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let runs: u64 = arguments.next().map_or(Ok(5000), |count| count.parse())?;
    let at_once: u64 = arguments.next().map_or(Ok(64), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let ca = ClusterCa::create("rate")?;
    let hour = Duration::from_secs(3600);
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let endpoint =
        Endpoint::bind(any, &ca.issue(Role::Controller, "c1", hour)?, ca.cert(), Config::default())?;
    let agent = start_agent(folder.path(), &ca, endpoint.local_addr()?)?;
    let link = endpoint.accept().await.ok_or("the endpoint closed")??;
    link.send(Class::Control, &ToNode::Say(ToWorker::Attach { term: 1 })).await?;
    let _attached: FromNode = link.recv(Class::Control).await?;
    let id = ContentId::from(Digest::of(BODY.as_bytes()));
    link.send(Class::Control, &ToNode::Body { id, body: BODY.as_bytes().to_vec() }).await?;
    measure(&link, id, 1..1 + runs.min(500), at_once).await?;
    let keeper = keeper_of(folder.path())?;
    let before = (cpu(agent.id())?, cpu(keeper)?, ended_children_cpu(keeper)?);
    let took = measure(&link, id, 1_000_000..1_000_000 + runs, at_once).await?;
    let after = (cpu(agent.id())?, cpu(keeper)?, ended_children_cpu(keeper)?);
    let each = |before: Duration, after: Duration| (after - before).as_micros() / u128::from(runs);
    println!("{runs} runs, {at_once} at once: {:.0} a second", runs as f64 / took.as_secs_f64());
    println!("CPU a run: agent {} us, keeper {} us", each(before.0, after.0), each(before.1, after.1));
    println!("the commands themselves {} us", each(before.2, after.2));
    println!("resident: agent {} KiB", resident(agent.id())?);
    link.send(Class::Control, &ToNode::Say(ToWorker::Leave)).await?;
    // Our own end of the link goes on meanwhile.
    actix_rt::task::spawn_blocking(move || {
        let mut agent = agent;
        agent.wait()
    })
    .await??;
    Ok(())
}

fn start_agent(folder: &Path, ca: &ClusterCa, controller: SocketAddr) -> Result<Child, Box<dyn Error>> {
    let capacity = Resources { vcpu: 1 << 20, memory_mib: 1 << 30, gpu_milli: 0 };
    let config = WorkerConfig::new(7, "rate", folder.join("node"), &capacity);
    fs::create_dir(&config.folder)?;
    ca.issue(Role::Worker, "n7", Duration::from_secs(3600))?.save(&config.identity)?;
    ca.cert().save(&config.ca)?;
    fs::write(&config.controller_file, controller.to_string())?;
    let file = folder.join("worker.toml");
    fs::write(&file, config.to_toml()?)?;
    let here = std::env::current_exe()?;
    let program: PathBuf = here.ancestors().nth(2).ok_or("no folder of programs")?.join("tidegate-agent");
    Ok(Command::new(program).arg("agent").arg(file).env("RUST_LOG", "warn").spawn()?)
}

/// Keeps `at_once` runs on the node until all have ended.
async fn measure(
    link: &Link,
    body: ContentId,
    fences: std::ops::Range<u64>,
    at_once: u64,
) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    let (mut next, mut left) = (fences.start, fences.end - fences.start);
    let mut messages: Vec<FromNode> = Vec::new();
    while next < fences.end.min(fences.start + at_once) {
        link.send(Class::Control, &assign(next, body)).await?;
        next += 1;
    }
    while left > 0 {
        link.recv_many(Class::Control, &mut messages, 512).await?;
        for message in messages.drain(..) {
            match message {
                FromNode::Ended { report, .. } => {
                    link.send(Class::Control, &ToNode::Say(ToWorker::Acknowledge { fence: report.fence }))
                        .await?;
                    left -= 1;
                    if next < fences.end {
                        link.send(Class::Control, &assign(next, body)).await?;
                        next += 1;
                    }
                }
                FromNode::Say(FromWorker::Heartbeat | FromWorker::Phase { .. }) => {}
                FromNode::Say(other) => return Err(format!("unexpected: {other:?}").into()),
            }
        }
    }
    Ok(start.elapsed())
}

fn assign(fence: u64, body: ContentId) -> ToNode {
    ToNode::Say(ToWorker::Start(Box::new(Assignment {
        fence: Fence(fence),
        slot: Slot { run: RunId(1), element: u32::try_from(fence % (1 << 20)).unwrap_or(0) },
        count: 1 << 20,
        run: "rate".into(),
        workspace: "default".into(),
        attempt: 1,
        resources: Resources { vcpu: 1, memory_mib: 0, gpu_milli: 0 },
        body,
        on_disconnect: OnDisconnect::Continue,
        grace: Millis(5000),
    })))
}

fn keeper_of(folder: &Path) -> Result<u32, Box<dyn Error>> {
    for entry in fs::read_dir("/proc")?.flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&command).replace('\0', " ");
        if text.contains("keeper --folder") && text.contains(&folder.display().to_string()) {
            return Ok(entry.file_name().to_string_lossy().parse()?);
        }
    }
    Err("there is no keeper".into())
}

/// User and system time of a process so far.
fn cpu(pid: u32) -> Result<Duration, Box<dyn Error>> {
    stat_times(pid, 11)
}

/// The same of its children that it has waited for.
fn ended_children_cpu(pid: u32) -> Result<Duration, Box<dyn Error>> {
    stat_times(pid, 13)
}

fn stat_times(pid: u32, at: usize) -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("no name in stat")?.1.split_whitespace().collect();
    let ticks: u64 = fields[at].parse::<u64>()? + fields[at + 1].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

fn resident(pid: u32) -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).unwrap_or_default().to_owned())
}
