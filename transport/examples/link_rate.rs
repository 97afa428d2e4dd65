//! Measures one link over loopback: small frames a second one way, round trips, and bulk bytes a second.
//!
//! `cargo run --release -p tidegate-transport --example link_rate [frames]`

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tidegate_transport::{
    config::Config,
    endpoint::Endpoint,
    link::{Class, Link},
    tls::{ClusterCa, Role},
};
use tokio::task::JoinHandle;

/// About what a message between a controller and a worker holds.
#[derive(Serialize, Deserialize)]
enum Message {
    Start { attempt: u64, index: u32, slot: u16, run: String },
    Ping(u64),
}

const ROUND_TRIPS: usize = 20_000;
const BULK_BYTES: u64 = 512 * 1024 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let frames: u64 = std::env::args().nth(1).map_or(Ok(2_000_000), |count| count.parse())?;
    let ca = ClusterCa::create("rate")?;
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let hour = Duration::from_secs(3600);
    let server = Endpoint::bind(any, &ca.issue(Role::Controller, "a", hour)?, ca.cert(), Config::default())?;
    let dial_only = Config { accept: Vec::new(), ..Config::default() };
    let client = Endpoint::bind(any, &ca.issue(Role::Worker, "b", hour)?, ca.cert(), dial_only)?;
    let (dialed, accepted) =
        tokio::join!(client.connect(server.local_addr()?, Role::Controller), server.accept());
    let (near, far) = (dialed?, accepted.ok_or("the endpoint closed")??);

    one_way(&near, &far, frames).await?;
    let echo = echo(&far);
    round_trips("round trip", &near, |count| count >= ROUND_TRIPS).await?;
    bulk(&near, &far).await?;
    let beside = tokio::spawn({
        let (near, far) = (near.clone(), far.clone());
        async move { bulk(&near, &far).await.map_err(|error| error.to_string()) }
    });
    round_trips("beside bulk", &near, |count| count > 0 && beside.is_finished()).await?;
    beside.await??;
    echo.abort();
    Ok(())
}

async fn one_way(near: &Link, far: &Link, frames: u64) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let receiver = tokio::spawn({
        let far = far.clone();
        async move {
            let mut batch: Vec<Message> = Vec::new();
            let mut received = 0;
            while received < frames {
                batch.clear();
                received += far.recv_many(Class::Control, &mut batch, 1024).await? as u64;
            }
            Ok::<_, tidegate_transport::error::RecvError>(())
        }
    });
    for attempt in 0..frames {
        let run = format!("run-{attempt:07}");
        near.send(Class::Control, &Message::Start { attempt, index: 7, slot: 3, run }).await?;
    }
    receiver.await??;
    let seconds = start.elapsed().as_secs_f64();
    println!("frames one way      {:>12.0} /s   ({frames} in {seconds:.2} s)", frames as f64 / seconds);
    Ok(())
}

/// Echoes messages while it lasts.
fn echo(far: &Link) -> JoinHandle<()> {
    let far = far.clone();
    tokio::spawn(async move {
        while let Ok(message) = far.recv::<Message>(Class::Control).await {
            if far.send(Class::Control, &message).await.is_err() {
                return;
            }
        }
    })
}

/// Makes round trips until `enough` says so, and prints their percentiles.
async fn round_trips(what: &str, near: &Link, enough: impl Fn(usize) -> bool) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    while !enough(times.len()) {
        let start = Instant::now();
        near.send(Class::Control, &Message::Ping(times.len() as u64)).await?;
        let _echoed: Message = near.recv(Class::Control).await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{what:<20}p50 {:?}  p99 {:?}  max {:?}  ({})", at(0.5), at(0.99), at(1.0), times.len());
    Ok(())
}

async fn bulk(near: &Link, far: &Link) -> Result<(), Box<dyn Error>> {
    let receiver = tokio::spawn({
        let far = far.clone();
        async move {
            let ((), mut stream) = far.accept_bulk::<()>().await?;
            stream.recv.copy_body(tokio::io::sink(), BULK_BYTES).await
        }
    });
    let start = Instant::now();
    let mut stream = near.open_bulk(&()).await?;
    stream.send.copy_body(tokio::io::repeat(7), BULK_BYTES).await?;
    stream.send.finish()?;
    receiver.await??;
    let seconds = start.elapsed().as_secs_f64();
    println!("bulk                {:>12.0} MiB/s", BULK_BYTES as f64 / seconds / 1_048_576.0);
    Ok(())
}
