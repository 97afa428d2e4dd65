//! Quota.

use crate::api::{Page, Problem, QuotaPut, QuotaView};
use crate::app::App;
use crate::problem::Answer;
use crate::relay::Key;
use crate::vocabulary;
use actix_web::{HttpResponse, get, put, web};
use tidegate_scheduler::command::{ClientCommand, QuotaKey};
use tidegate_scheduler::state::quota::Quota;

/// Every limit, and everything that would count against one.
#[utoipa::path(tag = "quota", responses(
    (status = 200, description = "All of them", body = Page<QuotaView>),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/quotas")]
pub(crate) async fn list(app: web::Data<App>) -> Answer {
    let views = app
        .read(|core| {
            let quota = core.state().quota();
            // What a workspace uses is told where it is limited, else by the line over all workspaces.
            let shown = quota.keys().filter(|key| key.workspace.is_none() || quota.limit(key).is_some());
            shown.map(|key| view(quota, key)).collect::<Vec<_>>()
        })
        .await?;
    Ok(HttpResponse::Ok().json(Page::whole(views)))
}

/// Sets or lifts a limit. A limit below use is legal: nothing new is granted until use falls.
#[utoipa::path(tag = "quota", request_body = QuotaPut, responses(
    (status = 200, description = "The limit as it is now", body = QuotaView),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[put("/api/v1/quotas")]
pub(crate) async fn put(app: web::Data<App>, key: Key, wanted: web::Json<QuotaPut>) -> Answer {
    let QuotaPut { family, tier, region, workspace, limit } = wanted.into_inner();
    let Some(known) = app.controller.catalogue().family(&family) else {
        return Err(unknown_family(&app, &family));
    };
    let tier = vocabulary::tier(tier.as_deref())
        .map_err(|error| Problem::new(422, "bad-quota", "The limit makes no sense", error).at("tier"))?;
    let region = vocabulary::region(region.as_deref());
    let limited = QuotaKey { region, family: known.to_owned(), tier, workspace };
    app.ask(key, ClientCommand::SetQuota { key: limited.clone(), limit }).await?;
    let view = app.read(move |core| view(core.state().quota(), &limited)).await?;
    Ok(HttpResponse::Ok().json(view))
}

fn unknown_family(app: &App, family: &str) -> Problem {
    let written: String = family.chars().take(64).collect();
    let plain = written.to_lowercase();
    let words = |known: &&str| {
        let known = known.to_lowercase();
        known.contains(&plain)
            || plain.contains(known.trim_start_matches("standard").trim_end_matches("family"))
    };
    let near: Vec<&str> = app.controller.catalogue().families().filter(words).take(3).collect();
    // A size in place of its family is the usual slip.
    let hint = match (app.controller.catalogue().find(&written), near.as_slice()) {
        (Ok(size), _) => format!("that is a VM size; its family is {}", size.family),
        (Err(_), []) => "`GET /api/v1/sizes` lists every size with its family".to_owned(),
        (Err(_), near) => format!("did you mean {}?", near.join(" or ")),
    };
    let detail = format!("no VM size is of the family `{written}`: {hint}");
    Problem::new(422, "unknown-family", "There is no such VM family", detail).at("family")
}

fn view(quota: &Quota, key: &QuotaKey) -> QuotaView {
    let usage = quota.usage(key);
    QuotaView {
        family: key.family.clone(),
        tier: key.tier.to_string(),
        region: key.region.clone(),
        workspace: key.workspace.clone(),
        limit: quota.limit(key),
        used: usage.total(),
        reserved: usage.reserved,
        provisioning: usage.provisioning,
        bound: usage.bound,
    }
}
