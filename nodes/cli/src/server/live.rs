//! A server from its start to its end.

use super::signals::Signals;
use super::{ServerConfig, announce, default_pool, node_setup, token, worker_program};
use crate::context::{Context, Contexts};
use crate::failure::Failure;
use crate::output::{Format, note};
use anyhow::{Context as _, anyhow};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tidegate_controller::{Controller, ControllerConfig, Running};
use tidegate_gateway::{Gateway, GatewayConfig, GatewaySocket};
use tidegate_provider::Catalogue;
use tokio::task::JoinError;

/// The cluster's name in certificates: of one machine, there is nothing to tell apart.
pub(crate) const CLUSTER: &str = "local";

/// What to start.
pub(crate) struct Plan {
    pub(crate) data: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) config: ServerConfig,
    pub(crate) format: Format,
}

/// Starts a server, and returns once it has stopped.
pub(crate) async fn live(plan: Plan) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    // First of all: a port in use must not stop a controller halfway.
    let mut socket = GatewaySocket::bind(plan.http).map_err(anyhow::Error::from)?;
    socket.answer_meanwhile().context("the gateway cannot start")?;
    let names = plan.config.http.names.clone();
    let config = controller_config(plan.data, plan.config)?;
    let running = tidegate_controller::start(config).await.map_err(anyhow::Error::from)?;
    for notice in &running.notices {
        tracing::warn!("{notice}");
    }
    let served = serve(&running, socket, names, plan.format).await;
    let gateway = match served {
        Ok(gateway) => gateway,
        Err(failure) => {
            running.stop().await;
            return Err(failure);
        }
    };
    let handle = gateway.handle.clone();
    let serving = actix_rt::spawn(gateway.server);
    let ended = until_told(&running, &mut signals).await;
    handle.stop(true).await;
    running.stop().await;
    ended.and(gateway_ended(serving.await))
}

/// How the gateway ended, once it was told to.
pub(super) fn gateway_ended(served: Result<std::io::Result<()>, JoinError>) -> Result<(), Failure> {
    let ended = "the gateway ended";
    Ok(served.context(ended)?.context(ended)?)
}

fn controller_config(data: PathBuf, config: ServerConfig) -> anyhow::Result<ControllerConfig> {
    let catalogue = Catalogue::builtin().with(config.extra_sizes()?)?;
    Ok(ControllerConfig {
        cluster: CLUSTER.to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        advertise: None,
        http: String::new(),
        nodes: None,
        record: None,
        limits: config.limits(),
        log: Default::default(),
        catalogue,
        worker_program: worker_program::worker_program(&config.workers)?,
        set_up_node: node_setup::set_up_node(Arc::new(config), data.clone()),
        data,
    })
}

async fn serve(
    running: &Running,
    socket: GatewaySocket,
    names: Vec<String>,
    format: Format,
) -> Result<Gateway, Failure> {
    let controller = &running.controller;
    let data = controller.folder().to_owned();
    let token = token::load_or_make(&data)?;
    let pool = default_pool::ensure(controller).await?;
    let config = GatewayConfig { names, ..GatewayConfig::new(token.clone()) };
    let gateway = Gateway::start(socket, config, controller.clone()).map_err(anyhow::Error::from)?;
    let server = format!("http://{}", gateway.address);
    let servers = vec![server];
    Contexts::of_user()?.write(&Context { servers: servers.clone(), token, data: data.clone() })?;
    announce::up(format, &servers, &data, &pool)?;
    Ok(gateway)
}

/// Serves until it is told to stop, and has drained.
async fn until_told(running: &Running, signals: &mut Signals) -> Result<(), Failure> {
    tokio::select! {
        () = signals.next() => {}
        reason = running.fatal.happened() => return Err(anyhow!("{reason}").into()),
    }
    tell_of_drain(&running.controller).await;
    tokio::select! {
        () = running.controller.drain(false) => return Ok(()),
        () = signals.next() => {}
        reason = running.fatal.happened() => return Err(anyhow!("{reason}").into()),
    }
    note(
        "stopping now: what runs is stopped, and queued again for the next start; once more leaves it running",
    );
    tokio::select! {
        () = running.controller.drain(true) => {}
        () = signals.next() => note("runs live on, and are taken up again by the next start on the same folder"),
        reason = running.fatal.happened() => return Err(anyhow!("{reason}").into()),
    }
    Ok(())
}

async fn tell_of_drain(controller: &Controller) {
    let placed = controller.read(|core| core.state().attempts().count()).await.unwrap_or(0);
    match placed {
        0 => note("draining: nothing runs, the nodes are given back"),
        1 => note("draining: one run goes on, and is waited for; Ctrl-C again stops it"),
        many => {
            note(format_args!("draining: {many} runs go on, and are waited for; Ctrl-C again stops them"))
        }
    }
}
