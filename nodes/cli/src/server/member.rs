//! One controller of a cluster, in the foreground, from its start to its end.

use super::controller_file::ControllerFile;
use super::join::{clients_token, join};
use super::live::gateway_ended;
use super::signals::Signals;
use super::{node_setup, worker_program};
use crate::failure::Failure;
use crate::output::{self, Format, note};
use anyhow::{Context as _, anyhow};
use serde::Serialize;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_controller::disk::LogError;
use tidegate_controller::{ControllerConfig, Membership, Running, StartError};
use tidegate_gateway::{Gateway, GatewayConfig, GatewaySocket};
use tidegate_provider::Catalogue;
use tokio::sync::oneshot;

/// What to run.
pub(crate) struct Order {
    pub(crate) file: ControllerFile,
    /// What makes the data folder a controller's, if it is none's yet.
    pub(crate) join: Option<PathBuf>,
    /// Where all that the core is told is recorded.
    pub(crate) record: Option<PathBuf>,
    /// Stop once standard input ends: with the process that holds its other end.
    pub(crate) supervised: bool,
    pub(crate) format: Format,
}

/// What a program learns of a controller that has come up.
#[derive(Serialize)]
struct Up<'a> {
    server: &'a str,
    data: &'a Path,
    pid: u32,
    id: u64,
    cluster: &'a str,
}

/// Runs a controller until it is told to stop, or is told that it was removed. Its nodes live on.
pub(crate) async fn member(order: Order) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let Order { file, supervised, format, .. } = &order;
    // First of all: a port in use must not stop a controller halfway.
    let mut socket = GatewaySocket::bind(file.http).map_err(anyhow::Error::from)?;
    let member = join(&file.data, order.join.as_deref())?;
    let token = clients_token(&file.data, file.token.as_deref())?;
    if let Some(nodes) = &file.nodes {
        // Shared by controllers of one machine: whichever comes first makes it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(nodes)
            .with_context(|| format!("cannot make {}", nodes.display()))?;
    }
    let config = controller_config(&order, &member, socket.address())?;
    socket.answer_meanwhile().context("the gateway cannot start")?;
    let running = tokio::select! {
        started = tidegate_controller::start(config) => started.map_err(|error| not_started(error, &member))?,
        () = signals.next() => return Ok(()),
    };
    for notice in &running.notices {
        tracing::warn!("{notice}");
    }
    let names = GatewayConfig { names: file.http_names.clone(), ..GatewayConfig::new(token) };
    let gateway = match Gateway::start(socket, names, running.controller.clone()) {
        Ok(gateway) => gateway,
        Err(error) => {
            running.stop().await;
            return Err(anyhow::Error::from(error).context("the gateway cannot start").into());
        }
    };
    let handle = gateway.handle.clone();
    let server = format!("http://{}", gateway.address);
    let serving = actix_rt::spawn(gateway.server);
    let told = announce(*format, &server, file, &member);
    let ended = match told {
        Ok(()) => until_told(&running, &mut signals, *supervised, &member, &file.data).await,
        Err(failure) => Err(failure),
    };
    // While requests that are under way still are answered, another one leads already.
    running.controller.transfer(None).await;
    handle.stop(true).await;
    running.stop().await;
    ended.and(gateway_ended(serving.await))
}

fn controller_config(
    order: &Order,
    member: &Membership,
    bound: SocketAddr,
) -> anyhow::Result<ControllerConfig> {
    let file = &order.file;
    let config = file.server();
    let shared = file.nodes.clone().unwrap_or_else(|| file.data.clone());
    Ok(ControllerConfig {
        cluster: member.cluster.clone(),
        listen: file.listen,
        advertise: file.advertise,
        http: file.http_url.clone().unwrap_or_else(|| format!("http://{bound}")),
        nodes: file.nodes.clone(),
        record: order.record.clone(),
        limits: config.limits(),
        log: Default::default(),
        catalogue: Catalogue::builtin().with(config.extra_sizes()?)?,
        worker_program: worker_program::worker_program(&config.workers)?,
        set_up_node: node_setup::set_up_node(Arc::new(config), shared),
        data: file.data.clone(),
    })
}

fn announce(
    format: Format,
    server: &str,
    file: &ControllerFile,
    Membership { id, cluster, .. }: &Membership,
) -> Result<(), Failure> {
    note(format_args!(
        "tidegate {}: controller c{id} of cluster {cluster} is up at {server}, for other controllers and workers at {}",
        env!("CARGO_PKG_VERSION"),
        file.listen
    ));
    let up = Up { server, data: &file.data, pid: std::process::id(), id: *id, cluster };
    match format {
        Format::Table => Ok(()),
        // One line, so that who started it can wait for it.
        Format::Json => output::line(&serde_json::json!(up).to_string()),
        Format::Yaml => format.print(&up, |_| String::new()),
    }
}

/// Serves until there is a reason to stop; an error is one that the controller itself has.
async fn until_told(
    running: &Running,
    signals: &mut Signals,
    supervised: bool,
    Membership { id, cluster, .. }: &Membership,
    data: &Path,
) -> Result<(), Failure> {
    tokio::select! {
        () = signals.next() => note(format_args!("c{id} stops; its nodes live on")),
        () = parent_gone(supervised) => note(format_args!("c{id} stops, since its supervisor is gone; its nodes live on")),
        () = running.removed.happened() => note(format_args!(
            "controller c{id} was removed from cluster {cluster} and stops; nothing needs its data folder {} any more",
            data.display()
        )),
        reason = running.fatal.happened() => return Err(anyhow!("{reason}").into()),
    }
    Ok(())
}

/// Waits for the end of standard input, if somebody is to hold its other end.
async fn parent_gone(supervised: bool) {
    if !supervised {
        return std::future::pending().await;
    }
    let (ended, is_ended) = oneshot::channel::<()>();
    // A thread of its own: nothing else ends such a read, and the process does not wait for it.
    std::thread::spawn(move || {
        // What cannot be read has no other end either.
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        drop(ended);
    });
    drop(is_ended.await);
}

/// What a start that failed means.
fn not_started(error: StartError, Membership { id, .. }: &Membership) -> Failure {
    let lost = matches!(
        error,
        StartError::Gap { .. }
            | StartError::LogLost { .. }
            | StartError::Log(
                LogError::Damaged { .. } | LogError::MissingFile { .. } | LogError::Incomplete { .. }
            )
    );
    if !lost {
        return anyhow::Error::from(error).into();
    }
    Failure::Damaged(format!(
        "{error}\ncontroller c{id} must not be started on this folder again: it has lost what it had promised to the \
         others. With other controllers there, join as a new one: `tidegate controller add --replaces {id} --out \
         c.join`, then `tidegate controller run --join c.join` on an empty folder"
    ))
}
