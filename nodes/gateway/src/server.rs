//! Listening.

use crate::app::App;
use crate::config::{BindError, GatewayConfig};
use crate::{guard, routes};
use actix_web::dev::{Server, ServerHandle};
use actix_web::{HttpServer, middleware, web};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tidegate_controller::Controller;

/// Threads that serve; what takes long is done elsewhere.
const WORKERS: usize = 2;
/// How long requests that are under way may go on once the gateway stops, in seconds.
const LAST_REQUESTS_SECONDS: u64 = 2;

/// A port that is taken: opened before anything else is started, so that a port in use stops nothing halfway.
pub struct GatewaySocket(TcpListener);

impl GatewaySocket {
    /// Takes a port; 0 takes a free one. Loopback alone, until the gateway speaks TLS.
    ///
    /// # Errors
    /// [`BindError`]; nothing is left open.
    pub fn bind(listen: SocketAddr) -> Result<GatewaySocket, BindError> {
        if !listen.ip().is_loopback() {
            return Err(BindError::NotLoopback(listen));
        }
        TcpListener::bind(listen).map(GatewaySocket).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => BindError::InUse(listen),
            _ => BindError::Io { listen, error },
        })
    }
}

/// A gateway that serves while its `server` is polled.
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// To be spawned or awaited.
    pub server: Server,
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
    ) -> Result<Gateway, std::io::Error> {
        let address = socket.0.local_addr()?;
        let app = web::Data::new(App::new(controller, config, address));
        let server = HttpServer::new(move || {
            let limits = app.config.limits;
            actix_web::App::new()
                .app_data(app.clone())
                .configure(|config| crate::app::extractors(limits, config))
                .wrap(middleware::from_fn(guard::check))
                .configure(routes::all)
                .default_service(web::route().to(crate::app::nowhere))
        })
        .workers(WORKERS)
        // A line of a log goes out at once, not with the next one.
        .tcp_nodelay(true)
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(LAST_REQUESTS_SECONDS)
        .disable_signals()
        .listen(socket.0)?
        .run();
        Ok(Gateway { address, handle: server.handle(), server })
    }
}

/// The description of the whole API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::describe()
}
