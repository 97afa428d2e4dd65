//! The gateway: Tidegate over HTTP.
//!
//! REST under `/api/v1`, described at `/openapi.json`; problem documents (RFC 9457) for every error; server-sent events
//! for logs and state. Every request but `/healthz` and `/readyz` carries the server's token, on loopback too, and the
//! headers `Host` and `Origin` are checked: any local user or web page could run code otherwise.
//!
//! **Any controller answers.** One that does not lead has the leader answer in its place; when leadership moves meanwhile,
//! the request goes on to the next leader. What is read holds all that had been acknowledged before it was asked for.
//!
//! **Sending again is harmless.** A run's name is its idempotency key: the same name and body give the run that is there
//! (200), another body is a conflict (409). Other changes are known by the header `Idempotency-Key`: with the same key they
//! are made once, and answered again in the same way.
//!
//! Handlers decide nothing about runs: they ask the [`Controller`](tidegate_controller::Controller), and read what it
//! and its history say.

mod anteroom;
pub mod api;
mod app;
mod config;
mod guard;
mod log_tail;
mod lookup;
mod names;
mod past;
mod problem;
mod relay;
mod routes;
mod server;
mod sse;
mod stream;
mod submission;
mod vocabulary;
mod watch;

pub use config::{BindError, BodyLimits, GatewayConfig};
pub use names::friendly_name;
pub use server::{Gateway, GatewaySocket, openapi};
