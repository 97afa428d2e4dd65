//! The routes of this controller, as something that is called: with requests of its own clients, and with those that
//! another controller has passed on.

use super::asked::Asked;
use super::key;
use crate::api::Problem;
use crate::app::{self, App};
use crate::problem::{self, internal};
use actix_http::Request;
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Payload, ServiceResponse};
use actix_web::{Error, HttpResponse, ResponseError, web};
use futures_util::future::LocalBoxFuture;
use std::rc::Rc;
use std::time::Duration;
use tidegate_scheduler::Refusal;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// A reader waits so long for a leader that says how far it must read.
const LONGEST_BARRIER: Duration = Duration::from_secs(10);

/// What came of asking a controller.
pub(crate) enum Came {
    /// Its answer.
    Answer(HttpResponse),
    /// It does not lead, or ceased to before it had answered: the next leader is to be asked.
    Lost(Problem),
    /// Its run history lacks what it would need: another controller's may have it.
    Behind(Problem),
}

type Serve = dyn Fn(Request) -> LocalBoxFuture<'static, Result<ServiceResponse<BoxBody>, Error>>;

/// The routes of this controller; for one thread, whose clones share them.
#[derive(Clone)]
pub(crate) struct Routes {
    app: web::Data<App>,
    serve: Rc<OnceCell<Box<Serve>>>,
}

impl Routes {
    pub(crate) fn new(app: web::Data<App>) -> Routes {
        Routes { app, serve: Rc::default() }
    }

    /// Answers, if this controller leads, or is asked to answer as it is. A reader sees all that had been acknowledged
    /// to anybody before it asked.
    pub(crate) async fn play(&self, asked: &Asked, body: Payload, as_you_are: bool) -> Came {
        let leading = self.app.controller.leadership().borrow().leading;
        if !leading && !as_you_are {
            return Came::Lost(Refusal::NotLeader.into());
        }
        if !key::is_change(&asked.method) {
            match timeout(LONGEST_BARRIER, self.app.controller.readable()).await {
                Ok(Ok(())) => {}
                Ok(Err(stopping)) => return Came::Answer(app::stopping(stopping).error_response()),
                Err(_) => return Came::Lost(problem::no_leader("no leader says how far the log has come")),
            }
        }
        let response = self.answer(asked, body).await;
        let problem = response.error().and_then(|error| error.as_error::<Problem>());
        match problem {
            Some(problem) if problem::is_lost(problem) => Came::Lost(problem.clone()),
            Some(problem) if problem::is_behind(problem) => Came::Behind(problem.clone()),
            Some(_) | None => Came::Answer(response),
        }
    }

    /// Answers in any case.
    pub(crate) async fn answer(&self, asked: &Asked, body: Payload) -> HttpResponse {
        let serve = match self.serve.get_or_try_init(|| make(self.app.clone())).await {
            Ok(serve) => serve,
            Err(problem) => return problem.error_response(),
        };
        match serve(asked.request(body)).await {
            Ok(response) => response.into_parts().1,
            Err(error) => HttpResponse::from_error(error),
        }
    }
}

async fn make(app: web::Data<App>) -> Result<Box<Serve>, Problem> {
    let limits = app.config.limits;
    let routes = actix_web::App::new()
        .app_data(app)
        .configure(|config| app::extractors(limits, config))
        .configure(crate::routes::all)
        .default_service(web::route().to(app::nowhere));
    let made = routes.into_factory().new_service(AppConfig::default()).await;
    let service = made.map_err(|()| internal("the routes cannot be put together"))?;
    Ok(Box::new(move |request| Box::pin(service.call(request))))
}
