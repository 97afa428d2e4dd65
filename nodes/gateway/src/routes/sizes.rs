//! The VM sizes that pools may have.

use crate::api::{Page, SizeView};
use crate::app::App;
use crate::vocabulary::gpus;
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use tidegate_scheduler::resources::VmSize;
use utoipa::IntoParams;

/// Which sizes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Those of this family alone; in any case.
    family: Option<String>,
}

/// The VM sizes that pools may have.
#[utoipa::path(tag = "pools", params(Which), responses(
    (status = 200, description = "All of them", body = Page<SizeView>),
    (status = "4XX", description = "A problem", body = crate::routes::ProblemBody, content_type = "application/problem+json"),
))]
#[get("/api/v1/sizes")]
pub(crate) async fn list(app: web::Data<App>, which: web::Query<Which>) -> HttpResponse {
    let wanted =
        |size: &&VmSize| which.family.as_ref().is_none_or(|family| size.family.eq_ignore_ascii_case(family));
    let sizes = app.controller.catalogue().sizes().filter(wanted).map(view).collect();
    HttpResponse::Ok().json(Page::whole(sizes))
}

fn view(size: &VmSize) -> SizeView {
    SizeView {
        name: size.name.clone(),
        family: size.family.clone(),
        vcpu: size.capacity.vcpu,
        memory_mib: size.capacity.memory_mib,
        gpus: gpus(size.capacity.gpu_milli),
        hourly_price: (size.hourly_price_micros > 0).then(|| size.hourly_price_micros as f64 / 1e6),
    }
}
