//! Every route, once: what is registered here is described in `/openapi.json` and the other way round.

#![allow(unused_qualifications, reason = "the description's macros see paths where there are none")]

mod batch;
mod blobs;
mod change;
mod controllers;
mod drain;
mod elements;
mod explain;
pub(crate) mod health;
mod list;
mod logs;
mod nodes;
mod outputs;
mod pools;
mod quotas;
mod show;
mod sizes;
mod status;
mod submit;
mod wait;
mod workspaces;

use crate::relay::key;
use actix_web::web;
use serde::Deserialize;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, Required, ResponseBuilder, SecurityRequirement,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

/// Which workspace a request is about.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct InWorkspace {
    /// The workspace; `default` when absent.
    pub(crate) workspace: Option<String>,
}

impl InWorkspace {
    pub(crate) fn name(&self) -> String {
        self.workspace.clone().unwrap_or_else(|| tidegate_scheduler::state::DEFAULT_WORKSPACE.to_owned())
    }
}

fn register(config: &mut ServiceConfig<'_>) {
    config
        .service(health::healthz)
        .service(health::readyz)
        .service(health::openapi)
        .service(status::status)
        .service(submit::submit_run)
        .service(batch::submit_batch)
        .service(list::list)
        .service(show::show)
        .service(elements::elements)
        .service(change::cancel)
        .service(change::retry)
        .service(explain::explain)
        .service(logs::logs)
        .service(wait::wait)
        .service(outputs::list)
        .service(outputs::file)
        .service(blobs::missing)
        .service(blobs::put)
        .service(blobs::get)
        .service(blobs::head)
        .service(pools::list)
        .service(pools::show)
        .service(pools::put)
        .service(pools::delete)
        .service(nodes::list)
        .service(quotas::list)
        .service(quotas::put)
        .service(workspaces::list)
        .service(workspaces::put)
        .service(sizes::list)
        .service(controllers::list)
        .service(controllers::invite)
        .service(controllers::remove)
        .service(controllers::lead)
        .service(drain::drain);
}

/// Registers every route.
pub(crate) fn all(config: &mut web::ServiceConfig) {
    register(&mut ServiceConfig::new(config));
}

/// The description of every route.
pub(crate) fn describe() -> OpenApi {
    let mut described = None;
    let app = actix_web::App::new();
    let app = utoipa_actix_web::AppExt::into_utoipa_app(app).configure(register);
    described.replace(app.split_for_parts().1);
    let mut api = described.unwrap_or_else(|| OpenApiBuilder::new().build());
    api.info = InfoBuilder::new()
        .title("Tidegate")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Runs machine-learning work on pools of virtual machines. Errors are problem documents (RFC 9457), \
             moments are RFC 3339 in UTC, lists have cursors. A run's name is its idempotency key; other changes have \
             the header `Idempotency-Key`. Every controller of a cluster answers, and what it tells holds all that had \
             been acknowledged by any of them.",
        ))
        .build();
    let bearer = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The server's token: the file `token` in its data folder."))
            .build(),
    );
    api.paths.paths.values_mut().for_each(describe_item);
    api.components.get_or_insert_default().add_security_scheme("token", bearer);
    api.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    api
}

/// What all routes have in common.
fn describe_item(item: &mut PathItem) {
    let changes = [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
    for operation in changes.into_iter().flatten() {
        let text =
            ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(key::LONGEST));
        let key = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(key::MEANING))
            .schema(Some(text.build()));
        operation.parameters.get_or_insert_default().push(key.build());
    }
    let all =
        [&mut item.get, &mut item.head, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
    for operation in all.into_iter().flatten() {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let unavailable = ResponseBuilder::new()
            .description(
                "Not now; `Retry-After` says when to ask again, `detail` whether anything was changed",
            )
            .content("application/problem+json", problem);
        operation.responses.responses.entry("503".to_owned()).or_insert_with(|| unavailable.build().into());
    }
}

/// The methods that a path takes, in capitals.
pub(crate) fn methods_of(api: &OpenApi, path: &str) -> Vec<&'static str> {
    let found = api.paths.paths.iter().filter(|(template, _)| matches(template, path));
    found.flat_map(|(_, item)| methods(item)).collect()
}

fn methods(item: &PathItem) -> impl Iterator<Item = &'static str> {
    let has = [
        (&item.get, "GET"),
        (&item.head, "HEAD"),
        (&item.put, "PUT"),
        (&item.post, "POST"),
        (&item.delete, "DELETE"),
        (&item.patch, "PATCH"),
    ];
    has.into_iter().filter_map(|(operation, name)| operation.as_ref().map(|_| name))
}

/// Whether a path is of a template's form; `{path}` at the end takes any number of parts.
fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/').peekable(), path.split('/').peekable());
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("{path}"), Some(_)) if wanted.peek().is_none() => return true,
            (Some(want), Some(give)) if want == give || (want.starts_with('{') && !give.is_empty()) => {}
            _ => return false,
        }
    }
}

/// What a problem document looks like, for the descriptions of routes.
pub(crate) type ProblemBody = crate::api::Problem;

/// Text, for the descriptions of routes.
#[derive(ToSchema)]
#[schema(value_type = String)]
#[allow(dead_code, reason = "describes bodies that are not JSON")]
pub(crate) struct Text(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_take_paths_of_their_form() {
        for (template, path, same) in [
            ("/api/v1/runs", "/api/v1/runs", true),
            ("/api/v1/runs/{name}", "/api/v1/runs/x", true),
            ("/api/v1/runs/{name}", "/api/v1/runs/", false),
            ("/api/v1/runs/{name}", "/api/v1/runs/x/logs", false),
            ("/api/v1/runs/{name}/outputs/{path}", "/api/v1/runs/x/outputs/a/b/c", true),
            ("/api/v1/runs/{name}/outputs", "/api/v1/runs/x/outputs/a", false),
        ] {
            assert_eq!(matches(template, path), same, "{template} {path}");
        }
    }

    #[test]
    fn every_operation_is_described_in_full() {
        let api = describe();
        for (path, item) in &api.paths.paths {
            let operations = [&item.get, &item.head, &item.put, &item.post, &item.delete];
            let operations: Vec<_> = operations.into_iter().flatten().collect();
            assert!(!operations.is_empty(), "{path}");
            for operation in operations {
                assert!(operation.summary.is_some(), "{path} has no summary");
                let responses = &operation.responses.responses;
                assert!(responses.keys().any(|code| code.starts_with('2')), "{path} never succeeds");
                let open = matches!(path.as_str(), "/healthz" | "/readyz");
                assert!(open || responses.contains_key("4XX"), "{path} says nothing of problems");
                let names: Vec<&str> =
                    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
                let parameters = operation.parameters.as_deref().unwrap_or_default();
                for name in names {
                    assert!(parameters.iter().any(|p| p.name == name), "{path} does not describe {name}");
                }
            }
        }
    }

    #[test]
    fn the_routes_are_these() {
        let api = describe();
        let routes: Vec<String> = api
            .paths
            .paths
            .iter()
            .flat_map(|(path, item)| methods(item).map(move |method| format!("{method} {path}")))
            .collect();
        insta::assert_snapshot!(routes.join("\n"));
    }
}
