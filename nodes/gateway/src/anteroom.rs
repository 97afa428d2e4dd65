//! What is answered while a controller reads back what it had stored, which may take long: that it is starting. Without
//! it whoever asks would wait on a port that is open and says nothing.

use crate::problem::starting;
use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, ResponseError, web};
use std::io;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

/// Answers everybody until it is dropped, on a thread of its own: what starts a controller keeps its thread busy.
pub(crate) struct Anteroom {
    handle: ServerHandle,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Anteroom {
    /// Answers on this port, which others hold open for what comes after.
    pub(crate) fn open(listener: TcpListener) -> io::Result<Anteroom> {
        let (told, telling) = mpsc::channel();
        let serve = async move {
            let server = HttpServer::new(|| App::new().default_service(web::route().to(answer)))
                .workers(1)
                // Nobody stays: the next request is for the gateway.
                .keep_alive(KeepAlive::Disabled)
                .disable_signals()
                .listen(listener)?
                .run();
            // Whoever asked waits for it.
            drop(told.send(server.handle()));
            server.await
        };
        let thread = thread::Builder::new().name("anteroom".into());
        let thread = thread.spawn(move || actix_rt::System::new().block_on(serve))?;
        match telling.recv() {
            Ok(handle) => Ok(Anteroom { handle, thread: Some(thread) }),
            Err(_) => Err(match thread.join() {
                Ok(Err(error)) => error,
                Ok(Ok(())) | Err(_) => io::Error::other("the thread that answers meanwhile ended at once"),
            }),
        }
    }
}

impl Drop for Anteroom {
    fn drop(&mut self) {
        // The order is given by the call itself; that it is done the thread's end tells.
        drop(self.handle.stop(false));
        let ended = self.thread.take().map(JoinHandle::join);
        if !matches!(ended, Some(Ok(Ok(())))) {
            tracing::warn!("the thread that answered meanwhile ended badly");
        }
    }
}

async fn answer(request: HttpRequest) -> HttpResponse {
    match request.path() {
        "/healthz" => crate::routes::health::healthy(),
        _ => starting().error_response(),
    }
}
