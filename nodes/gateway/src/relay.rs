//! Any controller answers any client: one that does not lead has the leader answer in its place, and when leadership
//! moves on the way, the request goes on to the next leader, so that a client sees a pause and no error.
//!
//! ```text
//! client ─▶ guard ─▶ relay ─┬─ this one leads ──▶ routes
//!                           └─ another one does ─▶ away ═▶ (its) guests ─▶ guard ─▶ routes
//! ```
//!
//! What was passed on is never passed on again: `guests` knows no way but to the routes. A change carries a
//! [key](key) and so is done once however often it is sent; a body that is too large to be held is sent once.

mod asked;
mod away;
mod guests;
mod held;
pub(crate) mod key;
mod routes;
mod standing;

pub(crate) use guests::Guests;
pub(crate) use key::Key;
pub(crate) use routes::Routes;
pub(crate) use standing::moves;

use crate::api::Problem;
use crate::app::App;
use crate::problem::{internal, no_leader};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use asked::Asked;
use held::Held;
use routes::Came;
use standing::{PATIENCE, Standing, unless_moved};
use tidegate_scheduler::ids::ControllerId;
use tokio::time::timeout;

/// Answered by every controller for itself.
const OWN: [&str; 3] = ["/healthz", "/readyz", "/openapi.json"];

/// Answers a client, or has it answered.
pub(crate) async fn relay(request: HttpRequest, body: web::Payload, app: web::Data<App>) -> HttpResponse {
    let Some(routes) = request.app_data::<Routes>().cloned() else {
        return internal("the gateway was put together without its routes").error_response();
    };
    let mut asked = Asked::of(&request);
    if OWN.contains(&asked.path()) {
        return routes.answer(&asked, body.into_inner()).await;
    }
    if let Err(problem) = key::ensure(&asked.method, &mut asked.headers) {
        return problem.error_response();
    }
    match Held::take(body.into_inner(), asked.announced()).await {
        Ok(held) => Course { app: &app, routes: &routes, asked: &asked, held }.run().await,
        Err(problem) => problem.error_response(),
    }
}

/// The way of one request to its answer.
struct Course<'a> {
    app: &'a App,
    routes: &'a Routes,
    asked: &'a Asked,
    held: Held,
}

impl Course<'_> {
    async fn run(mut self) -> HttpResponse {
        let mut standing = Standing::new(&self.app.controller, key::is_change(&self.asked.method));
        loop {
            let now = standing.look();
            let asking = now.leader.filter(|leader| now.leading || *leader != now.own);
            let came = match asking {
                None => Came::Lost(no_leader("no controller leads now")),
                Some(leader) => self.ask(&standing, leader, now.own).await,
            };
            let lost = match came {
                Came::Answer(response) => return response,
                Came::Behind(problem) => {
                    return self.elsewhere(now.leader, now.own, problem).await;
                }
                Came::Lost(lost) => lost,
            };
            if !self.held.is_there() {
                return self.give_up(standing.gave_up(&lost));
            }
            if let Err(problem) = standing.wait(lost).await {
                return self.give_up(problem);
            }
        }
    }

    async fn ask(&mut self, standing: &Standing, leader: ControllerId, own: ControllerId) -> Came {
        let Some(body) = self.held.payload() else {
            return Came::Lost(no_leader("the body is too large to be sent a second time"));
        };
        if leader == own {
            return self.routes.play(self.asked, body, false).await;
        }
        unless_moved(standing, leader, away::ask(self.app, leader, self.asked, body, false)).await
    }

    /// Asks the controllers that have not been asked, whose history may have what the leader's lacks.
    async fn elsewhere(
        mut self,
        asked: Option<ControllerId>,
        own: ControllerId,
        problem: Problem,
    ) -> HttpResponse {
        let known = self.app.read(|core| core.state().controllers().map(|(id, _)| id).collect::<Vec<_>>());
        let mut others = known.await.unwrap_or_default();
        others.retain(|id| Some(*id) != asked);
        others.sort_by_key(|id| (*id != own, *id));
        for id in others {
            let Some(body) = self.held.payload() else { break };
            let came = match id == own {
                true => self.routes.play(self.asked, body, true).await,
                false => match timeout(PATIENCE, away::ask(self.app, id, self.asked, body, true)).await {
                    Ok(came) => came,
                    Err(_) => continue,
                },
            };
            if let Came::Answer(response) = came {
                return response;
            }
        }
        problem.error_response()
    }

    /// Tells what is known, and the key under which it may be asked again.
    fn give_up(&self, problem: Problem) -> HttpResponse {
        let mut response = problem.error_response();
        if let Some(key) = self.asked.headers.get(key::HEADER) {
            response.headers_mut().insert(key::HEADER, key.clone());
        }
        response
    }
}
