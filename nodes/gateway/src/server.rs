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

/// A gateway that listens. It serves while its `server` is polled.
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// To be spawned or awaited.
    pub server: Server,
    /// Stops it.
    pub handle: ServerHandle,
}

impl Gateway {
    /// Listens. Must be called in an actix system.
    ///
    /// # Errors
    /// [`BindError`]; nothing is left open.
    pub fn bind(config: GatewayConfig, controller: Controller) -> Result<Gateway, BindError> {
        let listen = config.listen;
        if !listen.ip().is_loopback() {
            return Err(BindError::NotLoopback(listen));
        }
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::AddrInUse => BindError::InUse(listen),
            _ => BindError::Io { listen, error },
        };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
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
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(LAST_REQUESTS_SECONDS)
        .disable_signals()
        .listen(listener)
        .map_err(failed)?
        .run();
        Ok(Gateway { address, handle: server.handle(), server })
    }
}

/// The description of the whole API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::describe()
}
