//! The controllers of the cluster: who they are, and who comes and goes.

use crate::api::{ControllerRole, ControllerView, Invite, Page, Problem};
use crate::app::App;
use crate::problem::{self, Answer};
use crate::relay::Key;
use actix_web::http::header;
use actix_web::{HttpResponse, delete, get, post, web};
use std::time::Duration;
use tidegate_controller::Leadership;
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::controllers::{Controller, Wish};
use tidegate_scheduler::ids::ControllerId;
use tidegate_scheduler::{Core, Refusal};
use tokio::time::timeout;

/// Within this time one that is given leadership has it, or will not.
const ELECTED: Duration = Duration::from_secs(5);
/// How often, and how long apart, it is looked whether a controller is heard.
const HEARD_TRIES: u32 = 10;
const HEARD_PAUSE: Duration = Duration::from_millis(100);

/// The controllers of the cluster.
#[utoipa::path(tag = "controllers", responses(
    (status = 200, description = "All of them", body = Page<ControllerView>),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/controllers")]
pub(crate) async fn list(app: web::Data<App>) -> Answer {
    let views = app.read(views).await?;
    Ok(HttpResponse::Ok().json(Page::whole(views)))
}

/// Lets another controller join: gives its join bundle.
///
/// The bundle is a secret, and shown this once: it holds the new controller's key and the authority's of the cluster.
/// Install it into an empty data folder, and start a controller there. One that is not used may be removed by its
/// number.
#[utoipa::path(tag = "controllers", request_body = Invite, responses(
    (status = 201, description = "The join bundle: a secret", body = Value),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[post("/api/v1/controllers")]
pub(crate) async fn invite(app: web::Data<App>, key: Key, wanted: web::Json<Invite>) -> Answer {
    let Invite { voter, replaces } = wanted.into_inner();
    let bundle = app.controller.invite(Some(key.request()), voter, replaces.map(ControllerId)).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/controllers/{}", bundle.id)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(bundle))
}

/// Has a controller go: it votes no more, and what it has it keeps. Never the last one that votes.
#[utoipa::path(tag = "controllers", params(("id" = u64, Path, description = "The controller's number")), responses(
    (status = 204, description = "It goes"),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[delete("/api/v1/controllers/{id}")]
pub(crate) async fn remove(app: web::Data<App>, key: Key, id: web::Path<String>) -> Answer {
    app.ask(key, ClientCommand::RemoveController { id: number(&id)? }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives leadership to a controller that votes; answers once it leads.
#[utoipa::path(tag = "controllers", params(("id" = u64, Path, description = "The controller's number")), responses(
    (status = 204, description = "It leads"),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[post("/api/v1/controllers/{id}/lead")]
pub(crate) async fn lead(app: web::Data<App>, id: web::Path<String>) -> Answer {
    let id = number(&id)?;
    let view = heard(&app, id).await?;
    let cannot = |why: &str| {
        let detail = format!("controller {} {why}", id.0);
        Err(Problem::new(409, "cannot-lead", "The controller cannot lead now", detail))
    };
    match (view.role, view.heard) {
        _ if view.leader => return Ok(HttpResponse::NoContent().finish()),
        (ControllerRole::Voter, Some(false)) => return cannot("has not been heard of lately"),
        (ControllerRole::Voter, _) => {}
        (role, _) => return cannot(&format!("is {role}, and those that vote lead")),
    }
    let mut leadership = app.controller.leadership();
    app.controller.transfer(Some(id)).await;
    let elected = |now: &Leadership| now.leader.is_some_and(|leader| leader != now.own || now.leading);
    let leader = match timeout(ELECTED, leadership.wait_for(elected)).await {
        Ok(Ok(now)) => now.leader,
        Ok(Err(_)) | Err(_) => None,
    };
    match leader {
        Some(leader) if leader == id => Ok(HttpResponse::NoContent().finish()),
        Some(leader) => cannot(&format!("was given leadership and did not take it: {} leads", leader.0)),
        None => Err(problem::no_leader(format_args!(
            "controller {} was given leadership, and nobody leads yet; `GET /api/v1/controllers` tells who does",
            id.0
        ))),
    }
}

fn number(text: &str) -> Result<ControllerId, Problem> {
    // As the server's own messages write it, too.
    let digits = text.strip_prefix(['m', 'c']).unwrap_or(text);
    let wrong = |_| problem::bad_request(format!("`{text}` is no controller's number"));
    digits.parse().map(ControllerId).map_err(wrong)
}

/// All controllers, as the one that is asked knows them.
pub(crate) fn views(core: &Core) -> Vec<ControllerView> {
    let last = core.progress(core.id()).map(|own| own.matched);
    core.state().controllers().map(|(id, controller)| view(core, id, controller, last)).collect()
}

fn view(core: &Core, id: ControllerId, controller: &Controller, last: Option<u64>) -> ControllerView {
    let members = core.members();
    let role = match controller.wish {
        Wish::Voter if members.voters.contains(&id.0) => ControllerRole::Voter,
        Wish::Learner if members.learners.contains(&id.0) => ControllerRole::Learner,
        Wish::Voter | Wish::Learner => ControllerRole::Joining,
        Wish::Leaving => ControllerRole::Leaving,
    };
    let progress = core.progress(id);
    let matched = progress.map(|progress| progress.matched);
    ControllerView {
        id: id.0,
        address: controller.card.address.clone(),
        http: controller.card.http.clone(),
        role,
        leader: core.leader() == Some(id),
        matched,
        lag: last.zip(matched).map(|(last, matched)| last.saturating_sub(matched)),
        heard: progress.map(|progress| progress.active || id == core.id()),
        replaces: controller.replaces.map(|replaced| replaced.0),
    }
}

/// A controller as this leader knows it. One that has just begun to lead has heard nobody yet, and waits a little.
async fn heard(app: &web::Data<App>, id: ControllerId) -> Result<ControllerView, Problem> {
    let mut tries = 0;
    loop {
        let known = app.read(views).await?;
        let view = known.into_iter().find(|view| view.id == id.0).ok_or(Refusal::UnknownController(id))?;
        tries += 1;
        if view.heard != Some(false) || tries > HEARD_TRIES {
            return Ok(view);
        }
        actix_web::rt::time::sleep(HEARD_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_named_by_its_number() {
        for (text, number_of) in
            [("3", Some(3)), ("m3", Some(3)), ("c12", Some(12)), ("", None), ("x3", None), ("-1", None)]
        {
            assert_eq!(number(text).ok(), number_of.map(ControllerId), "{text}");
        }
    }
}
