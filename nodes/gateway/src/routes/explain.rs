//! Why a run waits.

use super::InWorkspace;
use crate::api::{Explanation, Problem, Reason, RunState};
use crate::app::App;
use crate::problem::Answer;
use crate::vocabulary;
use actix_web::{HttpResponse, get, web};
use serde_json::json;
use tidegate_scheduler::forecast::{Blocked, explain as reasons_of};
use tidegate_scheduler::ids::RunId;
use tidegate_scheduler::state::runs::Run;
use tidegate_scheduler::{Core, Refusal};

/// Every reason why elements of a run wait, with numbers and with what would help.
#[utoipa::path(tag = "runs", params(("name" = String, Path, description = "The run"), InWorkspace), responses(
    (status = 200, description = "The reasons", body = Explanation),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/runs/{name}/explain")]
pub(crate) async fn explain(
    app: web::Data<App>,
    name: web::Path<String>,
    place: web::Query<InWorkspace>,
) -> Answer {
    let (workspace, name) = (place.name(), name.into_inner());
    let explanation = app
        .read(move |core| match core.state().find_run(&workspace, &name) {
            Some((id, run)) => Ok(of(core, id, run)),
            None => Err(Problem::from(Refusal::UnknownRun(name))),
        })
        .await??;
    Ok(HttpResponse::Ok().json(explanation))
}

fn of(core: &Core, id: RunId, run: &Run) -> Explanation {
    let state = vocabulary::of_run(core, run);
    let blocked = reasons_of(core.state(), core.index(), core.watch().silent(), core.cluster_now(), id);
    let reason = |blocked: &Blocked| Reason { text: blocked.to_string(), details: json!(blocked) };
    Explanation {
        name: run.name.to_string(),
        state,
        summary: summary(state, run),
        reasons: blocked.iter().map(reason).collect(),
    }
}

fn summary(state: RunState, run: &Run) -> String {
    let counts = run.elements.counts();
    let name = &run.name;
    match (state, run.elements.count()) {
        (RunState::Queued, 1) => format!("{name} is queued"),
        (state, 1) => format!("{name} does not wait: it is {state}"),
        (_, count) if counts.waiting > 0 => {
            format!(
                "{} of {count} elements of {name} are queued, {} are on nodes",
                counts.waiting, counts.placed
            )
        }
        (state, count) => format!("none of the {count} elements of {name} waits: it is {state}"),
    }
}
