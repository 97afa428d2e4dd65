//! The elements of an array.

use super::InWorkspace;
use crate::api::{ElementView, Page, Problem, RunState};
use crate::app::App;
use crate::problem::{self, Answer};
use crate::vocabulary;
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use std::str::FromStr;
use tidegate_scheduler::state::elements::ElementState;
use tidegate_scheduler::state::runs::Run;
use tidegate_scheduler::{Core, Refusal};
use utoipa::IntoParams;

/// Elements looked at for one page: more would hold up the core.
const LOOKED_AT: u32 = 20_000;

/// Which elements.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Those in this state alone.
    state: Option<String>,
    /// At most so many; 100 when absent, 1000 at most.
    limit: Option<usize>,
    /// Where to go on. A page may hold fewer than `limit` and still have a next one.
    cursor: Option<String>,
}

/// The elements of a run, in order.
#[utoipa::path(tag = "runs", params(("name" = String, Path, description = "The run"), Which, InWorkspace), responses(
    (status = 200, description = "A page of them", body = Page<ElementView>),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/runs/{name}/elements")]
pub(crate) async fn elements(
    app: web::Data<App>,
    name: web::Path<String>,
    which: web::Query<Which>,
    place: web::Query<InWorkspace>,
) -> Answer {
    let state = which.state.as_deref().map(RunState::from_str).transpose().map_err(problem::bad_request)?;
    let from = super::list::cursor(which.cursor.as_deref())?.unwrap_or(0);
    let from = u32::try_from(from).map_err(|_| problem::bad_request("the cursor is not one of this list"))?;
    let limit = which.limit.unwrap_or(100).clamp(1, 1000);
    let (workspace, name) = (place.name(), name.into_inner());
    let page = app
        .read(move |core| match core.state().find_run(&workspace, &name) {
            Some((_, run)) => Ok(page(core, run, state, from, limit)),
            None => Err(Problem::from(Refusal::UnknownRun(name))),
        })
        .await??;
    Ok(HttpResponse::Ok().json(page))
}

fn page(core: &Core, run: &Run, wanted: Option<RunState>, from: u32, limit: usize) -> Page<ElementView> {
    let until = from.saturating_add(LOOKED_AT).min(run.elements.count());
    let mut items = Vec::new();
    for element in from..until {
        let Some(state) = run.elements.state(element) else { continue };
        let standing = vocabulary::of_element(core, state);
        if wanted.is_some_and(|wanted| wanted != standing) {
            continue;
        }
        if items.len() == limit {
            return Page { items, next_cursor: Some(element.to_string()) };
        }
        let node = match state {
            ElementState::Placed(fence) => {
                core.state().attempt(fence).map(|attempt| attempt.node.to_string())
            }
            ElementState::Waiting(_) | ElementState::Ended(_) => None,
        };
        items.push(ElementView { element, state: standing, node });
    }
    let next_cursor = (until < run.elements.count()).then(|| until.to_string());
    Page { items, next_cursor }
}
