//! Runs, listed.

use super::show::summary;
use crate::api::{Page, Problem, RunState, RunSummary};
use crate::app::App;
use crate::lookup::LiveRun;
use crate::past;
use crate::problem::{self, Answer};
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use std::str::FromStr;
use tidegate_scheduler::event::Ending;
use tidegate_scheduler::ids::RunId;
use tidegate_store::{Cursor, RunFilter, RunRow};
use utoipa::IntoParams;

/// Rows of history that one request looks at, when few of them are of the state asked for.
const LOOKED_AT: usize = 5000;

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Those of this workspace alone.
    workspace: Option<String>,
    /// Those of this experiment alone.
    experiment: Option<String>,
    /// Those queued for this pool alone.
    pool: Option<String>,
    /// Those in this state alone.
    state: Option<String>,
    /// Those whose name or display name contains this, in any case.
    text: Option<String>,
    /// Those that have this tag: `KEY` or `KEY=VALUE`.
    tag: Option<String>,
    /// At most so many; 100 when absent, 1000 at most.
    limit: Option<usize>,
    /// Where to go on. A page may hold fewer than `limit` and still have a next one.
    cursor: Option<String>,
}

impl Which {
    fn filter(&self, state: Option<RunState>) -> RunFilter {
        let tag = self.tag.as_ref().map(|tag| match tag.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (tag.clone(), None),
        });
        RunFilter {
            workspace: self.workspace.clone(),
            experiment: self.experiment.clone(),
            pool: self.pool.clone(),
            text: self.text.clone(),
            ending: state.map(|state| match state {
                RunState::Completed => Some(Ending::Completed),
                RunState::Failed => Some(Ending::Failed),
                RunState::Canceled => Some(Ending::Canceled),
                _ => None,
            }),
            tag,
            ..RunFilter::default()
        }
    }
}

/// Runs, the newest first.
#[utoipa::path(tag = "runs", params(Which), responses(
    (status = 200, description = "A page of them", body = Page<RunSummary>),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/runs")]
pub(crate) async fn list(app: web::Data<App>, which: web::Query<Which>) -> Answer {
    let state = which.state.as_deref().map(RunState::from_str).transpose().map_err(problem::bad_request)?;
    let limit = which.limit.unwrap_or(100).clamp(1, 1000);
    let filter = which.filter(state);
    let mut next = which.cursor.as_deref().map(Cursor::from_str).transpose();
    let mut items = Vec::new();
    let mut looked_at = 0;
    loop {
        let from = next.map_err(|error| problem::bad_request(error.to_string()))?;
        let (filter, rest) = (filter.clone(), limit - items.len());
        let page = past::ask(&app, move |history| Ok(history.runs(&filter, from, rest as u32)?)).await?;
        looked_at += page.items.len();
        let found = with_states(&app, page.items).await?;
        items.extend(found.into_iter().filter(|run| state.is_none_or(|state| state == run.state)));
        if page.next.is_none() || items.len() == limit || looked_at >= LOOKED_AT {
            let next_cursor = page.next.map(|cursor| cursor.to_string());
            return Ok(HttpResponse::Ok().json(Page { items, next_cursor }));
        }
        next = Ok(page.next);
    }
}

/// Where the core says that these runs stand; those that it has just forgotten are left out.
async fn with_states(app: &App, rows: Vec<RunRow>) -> Result<Vec<RunSummary>, Problem> {
    let ids: Vec<RunId> = rows.iter().map(|row| row.run).collect();
    let live = app
        .read(move |core| {
            let run = |id: RunId| core.state().run(id).map(|run| LiveRun::of(core, id, run));
            ids.into_iter().map(run).collect::<Vec<_>>()
        })
        .await?;
    Ok(rows.iter().zip(live).filter_map(|(row, live)| Some(summary(&live?, row))).collect())
}

/// A cursor that is a plain number.
pub(crate) fn cursor(text: Option<&str>) -> Result<Option<u64>, Problem> {
    let number =
        |text: &str| text.parse().map_err(|_| problem::bad_request("the cursor is not one of this list"));
    text.map(number).transpose()
}
