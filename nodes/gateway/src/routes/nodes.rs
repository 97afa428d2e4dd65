//! Nodes.

use crate::api::{NodeView, Page};
use crate::app::App;
use crate::problem::Answer;
use crate::vocabulary::{self, gpus};
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use tidegate_scheduler::Core;
use tidegate_scheduler::ids::{Fence, NodeId};
use tidegate_scheduler::state::nodes::Node;
use utoipa::IntoParams;

/// Which nodes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Those of this workspace alone.
    workspace: Option<String>,
    /// Those of this pool alone.
    pool: Option<String>,
    /// At most so many; 1000 when absent, 10000 at most.
    limit: Option<usize>,
    /// Where to go on.
    cursor: Option<String>,
}

/// Nodes of all pools, in the order in which they were asked for.
#[utoipa::path(tag = "nodes", params(Which), responses(
    (status = 200, description = "A page of them", body = Page<NodeView>),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/nodes")]
pub(crate) async fn list(app: web::Data<App>, which: web::Query<Which>) -> Answer {
    let which = which.into_inner();
    let after = crate::routes::list::cursor(which.cursor.as_deref())?.unwrap_or(0);
    let limit = which.limit.unwrap_or(1000).clamp(1, 10_000);
    let page = app
        .read(move |core| {
            let nodes = core.state().nodes().filter(|(id, node)| id.0 > after && wanted(core, node, &which));
            let mut items: Vec<(NodeId, NodeView)> =
                nodes.take(limit + 1).map(|(id, node)| (id, view(core, id, node))).collect();
            let more = items.len() > limit;
            items.truncate(limit);
            let next_cursor = items.last().filter(|_| more).map(|(id, _)| id.0.to_string());
            Page { items: items.into_iter().map(|(_, view)| view).collect(), next_cursor }
        })
        .await?;
    Ok(HttpResponse::Ok().json(page))
}

fn wanted(core: &Core, node: &Node, which: &Which) -> bool {
    let Some(pool) = core.state().pool(node.pool) else { return false };
    let settings = &pool.settings;
    which.workspace.as_ref().is_none_or(|name| *name == settings.workspace)
        && which.pool.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(&settings.name))
}

fn view(core: &Core, id: NodeId, node: &Node) -> NodeView {
    let state = core.state();
    let settings = state.pool(node.pool).map(|pool| &pool.settings);
    let (standing, reason) = vocabulary::of_node(core, id, node);
    let now = core.cluster_now();
    NodeView {
        name: id.to_string(),
        pool: settings.map(|settings| settings.name.clone()).unwrap_or_default(),
        workspace: settings.map(|settings| settings.workspace.clone()).unwrap_or_default(),
        state: standing,
        reason,
        for_seconds: now.since(node.since).0 as f64 / 1000.0,
        age_seconds: now.since(node.requested).0 as f64 / 1000.0,
        runs: node.attempts.iter().filter_map(|fence| run_on(core, *fence)).collect(),
        free_vcpu: node.free.vcpu,
        free_memory_mib: node.free.memory_mib,
        free_gpus: gpus(node.free.gpu_milli),
    }
}

/// The run of an attempt, with the element's number when it is an array.
fn run_on(core: &Core, fence: Fence) -> Option<String> {
    let attempt = core.state().attempt(fence)?;
    let run = core.state().run(attempt.slot.run)?;
    Some(match run.elements.count() {
        1 => run.name.to_string(),
        _ => format!("{}[{}]", run.name, attempt.slot.element),
    })
}
