//! The pool that a cluster without any gets, as a server of one controller makes one for itself.

use super::house::{House, ask};
use crate::failure::Failure;
use crate::server::default_pool;
use crate::table::mib;
use serde_json::json;
use tidegate_gateway::api::{Page, PoolView};
use tidegate_provider::Catalogue;

/// Makes the pool `default` if there is no pool at all; says what a run without a `compute` goes to.
pub(super) async fn ensure(house: &House) -> Result<String, Failure> {
    let catalogue = Catalogue::builtin().with(house.config.extra_sizes()?).map_err(anyhow::Error::from)?;
    let size = default_pool::fitting(&catalogue, default_pool::cores())?.name;
    let pools = ask(&house.client, |client| client.get::<Page<PoolView>>("/pools", &[])).await?.items;
    let default = match pools.iter().find(|pool| pool.name == default_pool::NAME && !pool.deleting) {
        Some(pool) => pool.clone(),
        None if !pools.is_empty() => {
            return Ok("`tidegate pool list` shows them".to_owned());
        }
        None => {
            let wanted = json!({
                "size": size,
                "min_instances": 0,
                "max_instances": default_pool::MAX_INSTANCES,
                "idle_time_before_scale_down": default_pool::IDLE.0 / 1000,
            });
            let path = format!("/pools/{}", default_pool::NAME);
            ask(&house.client, move |client| client.put::<PoolView>(&path, &[], &wanted)).await?
        }
    };
    Ok(describe(&default))
}

fn describe(pool: &PoolView) -> String {
    format!(
        "{}: {} ({} vCPU, {}), {} to {} nodes",
        pool.name,
        pool.size,
        pool.vcpu,
        mib(pool.memory_mib),
        pool.min_instances,
        pool.max_instances
    )
}
