//! Pools.

use super::InWorkspace;
use crate::api::{Page, PoolDelete, PoolView, Problem};
use crate::app::App;
use crate::problem::{self, Answer};
use crate::relay::Key;
use crate::vocabulary::{self, gpus};
use actix_web::{HttpResponse, delete, get, put, web};
use serde_json::{Map, Value, json};
use tidegate_scheduler::command::{ClientCommand, PoolSettings, QueueOrder};
use tidegate_scheduler::ids::PoolId;
use tidegate_scheduler::resources::Tier;
use tidegate_scheduler::state::pools::Pool;
use tidegate_scheduler::time::Millis;
use tidegate_scheduler::{Core, Refusal};
use tidegate_spec::{PoolSpec, unsupported_pool};

/// The workspace's pools; of all workspaces when none is named.
#[utoipa::path(tag = "pools", params(InWorkspace), responses(
    (status = 200, description = "All of them", body = Page<PoolView>),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/pools")]
pub(crate) async fn list(app: web::Data<App>, place: web::Query<InWorkspace>) -> Answer {
    let only = place.into_inner().workspace;
    let pools = app
        .read(move |core| {
            let wanted = |pool: &Pool| only.as_ref().is_none_or(|name| *name == pool.settings.workspace);
            let pools = core.state().pools().filter(|(_, pool)| wanted(pool));
            pools.map(|(id, pool)| view(core, id, pool)).collect::<Vec<_>>()
        })
        .await?;
    Ok(HttpResponse::Ok().json(Page::whole(pools)))
}

/// One pool.
#[utoipa::path(tag = "pools", params(("name" = String, Path, description = "The pool"), InWorkspace), responses(
    (status = 200, description = "The pool", body = PoolView),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/pools/{name}")]
pub(crate) async fn show(
    app: web::Data<App>,
    name: web::Path<String>,
    place: web::Query<InWorkspace>,
) -> Answer {
    answer(&app, place.name(), name.into_inner()).await
}

/// Makes a pool, or changes one. Its size, tier and location never change.
///
/// The body has the keys of Azure ML's `amlcompute` file, and under `tidegate` a `team` of the workspace that its VMs
/// count against, the `order` (`fair` or `strict`) in which its runs start, and what its provider takes: of the local
/// one `boot_delay_s`, `boot_failure_rate`, `boot_failures` and `seed`. The name may be left out of it.
#[utoipa::path(tag = "pools", params(("name" = String, Path, description = "The pool"), InWorkspace),
    request_body(content = Value, description = "An `amlcompute` as JSON"), responses(
    (status = 200, description = "The pool as it is now", body = PoolView),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[put("/api/v1/pools/{name}")]
pub(crate) async fn put(
    app: web::Data<App>,
    key: Key,
    name: web::Path<String>,
    place: web::Query<InWorkspace>,
    body: web::Json<Value>,
) -> Answer {
    let settings = settings(&app, name.into_inner(), place.name(), body.into_inner())?;
    let (workspace, name) = (settings.workspace.clone(), settings.name.clone());
    app.ask(key, ClientCommand::ApplyPool(Box::new(settings))).await?;
    answer(&app, workspace, name).await
}

/// Removes a pool, once its nodes have been given back. Refused while it has runs, unless they are to be cancelled.
#[utoipa::path(tag = "pools", params(("name" = String, Path, description = "The pool"), InWorkspace, PoolDelete), responses(
    (status = 204, description = "It goes, or is gone"),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[delete("/api/v1/pools/{name}")]
pub(crate) async fn delete(
    app: web::Data<App>,
    key: Key,
    name: web::Path<String>,
    place: web::Query<InWorkspace>,
    how: web::Query<PoolDelete>,
) -> Answer {
    let command =
        ClientCommand::DeletePool { workspace: place.name(), pool: name.into_inner(), force: how.force };
    app.ask(key, command).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn answer(app: &App, workspace: String, name: String) -> Answer {
    let view = app
        .read(move |core| {
            let found = core.state().workspace(&workspace).and_then(|id| core.state().find_pool(id, &name));
            found.map(|(id, pool)| view(core, id, pool)).ok_or(Refusal::UnknownPool(name))
        })
        .await?;
    Ok(HttpResponse::Ok().json(view?))
}

fn settings(app: &App, name: String, workspace: String, mut body: Value) -> Result<PoolSettings, Problem> {
    let Some(keys) = body.as_object_mut() else {
        return Err(problem::bad_request("the body is a JSON object with the keys of an `amlcompute` file"));
    };
    match keys.get("name") {
        None => drop(keys.insert("name".to_owned(), json!(name))),
        Some(given) if given.as_str().is_some_and(|given| given.eq_ignore_ascii_case(&name)) => {}
        Some(given) => {
            return Err(
                problem::bad_request(format!("the body names the pool {given}, the path {name}")).at("name")
            );
        }
    }
    let spec = PoolSpec::from_json(&body).map_err(|error| problem::bad_spec("", &[error]))?;
    let wrong = unsupported_pool(&spec);
    if !wrong.is_empty() {
        return Err(problem::bad_spec("", &wrong));
    }
    let size = app.controller.catalogue().find(spec.size()).map_err(|error| {
        Problem::new(422, "unknown-size", "There is no such VM size", error.to_string()).at("size")
    })?;
    let provider = provider_settings(app, spec.provider())?;
    Ok(PoolSettings {
        workspace,
        team: spec.team().map(str::to_owned),
        region: vocabulary::region(spec.location.as_deref()),
        size,
        tier: match spec.tier() {
            tidegate_spec::Tier::Dedicated => Tier::Dedicated,
            tidegate_spec::Tier::LowPriority => Tier::LowPriority,
        },
        min_instances: spec.min_instances,
        max_instances: spec.max_instances,
        idle_time_before_scale_down: Millis::seconds(spec.idle_time_before_scale_down),
        order: match spec.order() {
            tidegate_spec::QueueOrder::Fair => QueueOrder::Fair,
            tidegate_spec::QueueOrder::Strict => QueueOrder::Strict,
        },
        name: spec.name,
        provider,
    })
}

fn wrong(detail: String) -> Problem {
    Problem::new(422, "bad-pool", "The pool makes no sense", detail).at("tidegate")
}

/// Checked by the provider's own rules.
fn provider_settings(app: &App, given: Option<Map<String, Value>>) -> Result<Vec<u8>, Problem> {
    let bytes = given.map_or_else(Vec::new, |mut keys| {
        keys.entry("kind").or_insert_with(|| json!("local"));
        Value::Object(keys).to_string().into_bytes()
    });
    app.controller.provider_settings(&bytes).map_err(wrong)
}

fn view(core: &Core, id: PoolId, pool: &Pool) -> PoolView {
    let settings = &pool.settings;
    let capacity = pool.capacity();
    let nodes = core.state().nodes().filter(|(_, node)| node.pool == id);
    PoolView {
        name: settings.name.clone(),
        workspace: settings.workspace.clone(),
        team: settings.team.clone(),
        order: match settings.order {
            QueueOrder::Fair => "fair".to_owned(),
            QueueOrder::Strict => "strict".to_owned(),
        },
        location: settings.region.clone(),
        size: settings.size.name.clone(),
        family: settings.size.family.clone(),
        tier: settings.tier.to_string(),
        vcpu: capacity.vcpu,
        memory_mib: capacity.memory_mib,
        gpus: gpus(capacity.gpu_milli),
        min_instances: settings.min_instances,
        max_instances: settings.max_instances,
        idle_time_before_scale_down: settings.idle_time_before_scale_down.0 as f64 / 1000.0,
        nodes: vocabulary::node_counts(core, nodes),
        open_runs: pool.open_runs,
        queued_elements: core.index().queue(id).map_or(0, |queue| queue.waiting()),
        deleting: pool.deleting,
        boot_failures: pool.boot_failures,
        last_failure: pool.last_failure.clone(),
        // What the provider wrote there is its own; a client that cannot read it sees nothing of it.
        tidegate: serde_json::from_slice(&settings.provider).unwrap_or(Value::Null),
    }
}
