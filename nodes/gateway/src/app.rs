//! What every handler has at hand, and how the routes are put together.

use crate::api::Problem;
use crate::config::GatewayConfig;
use crate::guard::{Hosts, Token};
use crate::relay::Key;
use crate::{problem, routes};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tidegate_controller::{Controller, Stopping};
use tidegate_scheduler::Core;
use tidegate_scheduler::Outcome;
use tidegate_scheduler::command::ClientCommand;

/// What every handler has at hand.
pub(crate) struct App {
    pub(crate) controller: Controller,
    pub(crate) config: GatewayConfig,
    pub(crate) hosts: Hosts,
    pub(crate) token: Token,
    pub(crate) started: Instant,
    pub(crate) openapi: Arc<utoipa::openapi::OpenApi>,
}

impl App {
    pub(crate) fn new(controller: Controller, config: GatewayConfig, listen: SocketAddr) -> App {
        App {
            hosts: Hosts::new(listen, &config.names),
            token: Token::new(&config.token),
            openapi: Arc::new(crate::server::openapi()),
            started: Instant::now(),
            controller,
            config,
        }
    }

    /// Reads something off the core. A request that changes nothing comes here only once the core has all that had been
    /// acknowledged before: see [`Routes`](crate::relay::Routes).
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Core) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        self.controller.read(read).await.map_err(stopping)
    }

    /// Asks the core for a change, which is made once however often it is asked for with this key.
    pub(crate) async fn ask(&self, key: Key, command: ClientCommand) -> Result<Outcome, Problem> {
        self.controller.ask(Some(key.request()), command).await.map_err(Problem::from)
    }
}

pub(crate) fn stopping(stopping: Stopping) -> Problem {
    Problem::new(503, "stopping", "The server is stopping", stopping.to_string())
}

/// Runs something that waits for the disk away from the threads that serve.
pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Send + 'static,
    Problem: From<E>,
{
    match web::block(work).await {
        Ok(done) => done.map_err(Problem::from),
        Err(error) => Err(problem::internal(error)),
    }
}

/// How errors in paths, queries and bodies are answered.
pub(crate) fn extractors(limits: crate::config::BodyLimits, config: &mut web::ServiceConfig) {
    let json = web::JsonConfig::default()
        .limit(limits.json)
        .content_type(|_| true)
        .content_type_required(false)
        .error_handler(|error, request| json_problem(error, request).into());
    let query = web::QueryConfig::default()
        .error_handler(|error, _| problem::bad_request(format!("the query: {error}")).into());
    let path = web::PathConfig::default()
        .error_handler(|error, _| problem::bad_request(format!("the path: {error}")).into());
    config.app_data(json).app_data(query).app_data(path).app_data(web::PayloadConfig::new(limits.json));
}

pub(crate) fn json_problem(error: actix_web::error::JsonPayloadError, request: &HttpRequest) -> Problem {
    use actix_web::error::JsonPayloadError as E;
    let path = request.path();
    match error {
        E::Overflow { limit } | E::OverflowKnownLength { limit, .. } => {
            problem::too_large(format!("{path} takes at most {limit} bytes"))
        }
        E::Deserialize(error) => problem::bad_request(format!("the body is not what {path} takes: {error}")),
        other => problem::bad_request(format!("the body cannot be read: {other}")),
    }
}

/// Answers what no route takes: 405 where another method would do, else 404.
pub(crate) async fn nowhere(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let methods = routes::methods_of(&app.openapi, request.path());
    if methods.is_empty() {
        let detail = format!("there is no {}; /openapi.json lists every path", request.path());
        return problem::not_found(detail).error_response();
    }
    let allowed = methods.join(", ");
    let detail = format!("{} does not take {}; it takes {allowed}", request.path(), request.method());
    let mut response = Problem::new(405, "method-not-allowed", "The path does not take this method", detail)
        .error_response();
    if let Ok(value) = allowed.parse() {
        response.headers_mut().insert(actix_web::http::header::ALLOW, value);
    }
    response
}
