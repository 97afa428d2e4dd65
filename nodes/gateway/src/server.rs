//! Listening.

use crate::anteroom::Anteroom;
use crate::app::App;
use crate::config::{BindError, GatewayConfig};
use crate::relay::{self, Guests, Routes};
use crate::{guard, routes};
use actix_web::dev::ServerHandle;
use actix_web::{HttpServer, middleware, web};
use futures_util::future::LocalBoxFuture;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tidegate_controller::Controller;

/// Threads that serve; what takes long is done elsewhere.
const WORKERS: usize = 2;
/// How long requests that are under way may go on once the gateway stops, in seconds.
const LAST_REQUESTS_SECONDS: u64 = 2;

/// A port that is taken: opened before anything else is started, so that a port in use stops nothing halfway.
pub struct GatewaySocket {
    listener: TcpListener,
    address: SocketAddr,
    meanwhile: Option<Anteroom>,
}

impl GatewaySocket {
    /// Takes a port; 0 takes a free one. Loopback alone, until the gateway speaks TLS.
    ///
    /// # Errors
    /// [`BindError`]; nothing is left open.
    pub fn bind(listen: SocketAddr) -> Result<GatewaySocket, BindError> {
        if !listen.ip().is_loopback() {
            return Err(BindError::NotLoopback(listen));
        }
        let taken = TcpListener::bind(listen);
        let taken = taken.and_then(|listener| {
            Ok(GatewaySocket { address: listener.local_addr()?, listener, meanwhile: None })
        });
        taken.map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => BindError::InUse(listen),
            _ => BindError::Io { listen, error },
        })
    }

    /// Tells whoever asks that the controller is starting, from now until a gateway serves on the port.
    ///
    /// # Errors
    /// The system refuses.
    pub fn answer_meanwhile(&mut self) -> io::Result<()> {
        self.meanwhile = Some(Anteroom::open(self.listener.try_clone()?)?);
        Ok(())
    }

    /// The port that was taken, with its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A gateway that serves while its `server` is polled.
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// To be spawned or awaited.
    pub server: LocalBoxFuture<'static, io::Result<()>>,
    /// Stops it.
    pub handle: ServerHandle,
}

impl Gateway {
    /// Serves on a port. Must be called in an actix system.
    ///
    /// # Errors
    /// The system refuses to listen.
    pub fn start(
        socket: GatewaySocket,
        config: GatewayConfig,
        controller: Controller,
    ) -> Result<Gateway, io::Error> {
        let GatewaySocket { listener, address, meanwhile } = socket;
        let app = web::Data::new(App::new(controller, config, address));
        let guests = Guests::host(app.clone(), address);
        // Who comes in between waits on the port, which stays open.
        drop(meanwhile);
        let server = HttpServer::new(move || {
            actix_web::App::new()
                .app_data(app.clone())
                .app_data(Routes::new(app.clone()))
                .wrap(middleware::from_fn(guard::check))
                .default_service(web::route().to(relay::relay))
        })
        .workers(WORKERS)
        // A line of a log goes out at once, not with the next one.
        .tcp_nodelay(true)
        .keep_alive(Duration::from_secs(75))
        // Who is told nothing for long is noticed to have left by this alone.
        .h1_allow_half_closed(false)
        .shutdown_timeout(LAST_REQUESTS_SECONDS)
        .disable_signals()
        .listen(listener)?
        .run();
        let handle = server.handle();
        let server = async move {
            let ended = server.await;
            guests.leave();
            ended
        };
        Ok(Gateway { address, handle, server: Box::pin(server) })
    }
}

/// The description of the whole API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::describe()
}
