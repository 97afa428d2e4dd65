//! Quota.

use crate::api::{Page, Problem, QuotaAllowance, QuotaBudget, QuotaPeriod, QuotaPut, QuotaView};
use crate::app::App;
use crate::problem::Answer;
use crate::relay::Key;
use crate::vocabulary;
use actix_web::{HttpResponse, get, put, web};
use tidegate_scheduler::State;
use tidegate_scheduler::command::{ClientCommand, QuotaKey};
use tidegate_scheduler::state::quota::{Allowance, Budget, Period};

/// Every allowance, and everything that would count against one.
#[utoipa::path(tag = "quota", responses(
    (status = 200, description = "All of them", body = Page<QuotaView>),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/quotas")]
pub(crate) async fn list(app: web::Data<App>) -> Answer {
    let views = app
        .read(|core| {
            let state = core.state();
            // Use is told where something is granted, else by the line of the family over all workspaces.
            let shown = |key: &QuotaKey| {
                let alone = key.workspace.is_none() && key.family.is_some();
                alone || state.quota().allowance(key).is_some()
            };
            state.quota().keys().filter(shown).map(|key| view(state, &key)).collect::<Vec<_>>()
        })
        .await?;
    Ok(HttpResponse::Ok().json(Page::whole(views)))
}

/// Sets or lifts an allowance. One below use is legal: nothing new is granted until use falls.
#[utoipa::path(tag = "quota", request_body = QuotaPut, responses(
    (status = 200, description = "It as it is now", body = QuotaView),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[put("/api/v1/quotas")]
pub(crate) async fn put(app: web::Data<App>, key: Key, wanted: web::Json<QuotaPut>) -> Answer {
    let QuotaPut { family, tier, region, workspace, team, limit, allowance } = wanted.into_inner();
    let bad = |detail: String| Problem::new(422, "bad-quota", "The allowance makes no sense", detail);
    let family = match family {
        None => None,
        Some(family) => match app.controller.catalogue().family(&family) {
            Some(known) => Some(known.to_owned()),
            None => return Err(unknown_family(&app, &family)),
        },
    };
    let tier = vocabulary::tier(tier.as_deref()).map_err(|error| bad(error).at("tier"))?;
    let granted = match (limit, allowance) {
        (Some(_), Some(_)) => {
            return Err(bad("give `limit` or `allowance`, not both".to_owned()).at("limit"));
        }
        (Some(limit), None) if workspace.is_none() => Some(Allowance::limited(limit)),
        (Some(limit), None) => Some(Allowance::capped(limit)),
        (None, allowance) => allowance.map(granted),
    };
    let region = vocabulary::region(region.as_deref());
    let granted_to = QuotaKey { region, family, tier, workspace, team };
    app.ask(key, ClientCommand::SetQuota { key: granted_to.clone(), allowance: granted }).await?;
    let view = app.read(move |core| view(core.state(), &granted_to)).await?;
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

fn granted(wanted: QuotaAllowance) -> Allowance {
    let QuotaAllowance { nominal, borrowing_limit, lending_limit, weight, budget } = wanted;
    let period = |period| match period {
        QuotaPeriod::Day => Period::Day,
        QuotaPeriod::Week => Period::Week,
        QuotaPeriod::Month => Period::Month,
    };
    let budget = budget.map(|budget| Budget { vcpu_hours: budget.vcpu_hours, period: period(budget.period) });
    Allowance { nominal, borrowing_limit, lending_limit, weight, budget }
}

fn told(allowance: Allowance) -> QuotaAllowance {
    let Allowance { nominal, borrowing_limit, lending_limit, weight, budget } = allowance;
    let period = |period| match period {
        Period::Day => QuotaPeriod::Day,
        Period::Week => QuotaPeriod::Week,
        Period::Month => QuotaPeriod::Month,
    };
    let budget =
        budget.map(|budget| QuotaBudget { vcpu_hours: budget.vcpu_hours, period: period(budget.period) });
    QuotaAllowance { nominal, borrowing_limit, lending_limit, weight, budget }
}

fn view(state: &State, key: &QuotaKey) -> QuotaView {
    let (quota, now) = (state.quota(), state.moment());
    let usage = quota.usage(key);
    let allowance = quota.allowance(key);
    let spending = quota.spending(key, now);
    QuotaView {
        family: key.family.clone(),
        tier: key.tier.to_string(),
        region: key.region.clone(),
        workspace: key.workspace.clone(),
        team: key.team.clone(),
        limit: allowance.and_then(|allowance| allowance.most()),
        allowance: allowance.map(told),
        used: usage.total(),
        reserved: usage.reserved,
        provisioning: usage.provisioning,
        bound: usage.bound,
        borrowed: quota.borrowed(key),
        borrowed_lately: quota.borrowed_lately_milli(key, now) as f64 / 1000.0,
        spent_vcpu_hours: spending.map(|spending| spending.used as f64 / 3_600_000.0),
        budget_resets_in: spending.map(|spending| spending.resets_in.0 as f64 / 1000.0),
    }
}
