//! The pool that a server without any makes for itself.

use anyhow::anyhow;
use tidegate_controller::Controller;
use tidegate_provider::{Catalogue, LocalSettings};
use tidegate_scheduler::Refusal;
use tidegate_scheduler::command::{ClientCommand, PoolSettings, QueueOrder};
use tidegate_scheduler::resources::{Tier, VmSize};
use tidegate_scheduler::state::DEFAULT_WORKSPACE;
use tidegate_scheduler::time::Millis;

/// Sizes of everyday machines, the smallest first.
const SIZES: [&str; 8] = [
    "Standard_D2s_v5",
    "Standard_D4s_v5",
    "Standard_D8s_v5",
    "Standard_D16s_v5",
    "Standard_D32s_v5",
    "Standard_D48s_v5",
    "Standard_D64s_v5",
    "Standard_D96s_v5",
];
/// Its name: runs without a `compute` go to it.
pub(crate) const NAME: &str = "default";
/// It never has more nodes.
pub(crate) const MAX_INSTANCES: u32 = 4;
/// How long its nodes stay without work.
pub(crate) const IDLE: Millis = Millis::seconds(120);

/// Makes the pool `default` if there is no pool at all; says what a run without a `compute` goes to.
pub(crate) async fn ensure(controller: &Controller) -> anyhow::Result<String> {
    if let Some(known) = describe(controller).await? {
        return Ok(known);
    }
    let settings = PoolSettings {
        workspace: DEFAULT_WORKSPACE.to_owned(),
        name: NAME.to_owned(),
        team: None,
        region: "local".to_owned(),
        size: fitting(controller.catalogue(), cores())?,
        tier: Tier::Dedicated,
        min_instances: 0,
        max_instances: MAX_INSTANCES,
        idle_time_before_scale_down: IDLE,
        order: QueueOrder::Fair,
        provider: LocalSettings::default().to_json(),
    };
    match controller.ask(None, ClientCommand::ApplyPool(Box::new(settings))).await {
        Ok(_) => {}
        Err(Refusal::Unavailable(reason)) => {
            tracing::warn!(%reason, "the default pool could not be made");
            return Ok("none: no new work is accepted".to_owned());
        }
        Err(refusal) => return Err(anyhow!("cannot make the default pool: {refusal}")),
    }
    Ok(describe(controller).await?.unwrap_or_default())
}

async fn describe(controller: &Controller) -> anyhow::Result<Option<String>> {
    let found = controller.read(|core| {
        let state = core.state();
        let pool = state.workspace(DEFAULT_WORKSPACE).and_then(|workspace| state.default_pool(workspace));
        let settings = pool.map(|(_, pool)| pool.settings.clone());
        (settings, state.pools().next().is_some())
    });
    Ok(match found.await? {
        (Some(pool), _) => Some(format!(
            "{}: {} ({}), {} to {} nodes",
            pool.name, pool.size.name, pool.size.capacity, pool.min_instances, pool.max_instances
        )),
        (None, true) => {
            Some("none for runs without a `compute`; `tidegate pool list` shows the others".to_owned())
        }
        (None, false) => None,
    })
}

/// The cores of this machine.
pub(crate) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// The largest everyday size that has no more vCPU than this machine; the smallest if all have.
pub(crate) fn fitting(catalogue: &Catalogue, cores: u32) -> anyhow::Result<VmSize> {
    let sizes: Vec<VmSize> = SIZES.iter().filter_map(|name| catalogue.find(name).ok()).collect();
    let fits = sizes.iter().rev().find(|size| size.capacity.vcpu <= cores).or(sizes.first());
    fits.cloned().ok_or_else(|| anyhow!("the catalogue has none of the everyday sizes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_fits_the_machine() {
        let catalogue = Catalogue::builtin();
        let vcpu = |cores| fitting(&catalogue, cores).unwrap().capacity.vcpu;
        assert_eq!([1, 2, 3, 12, 1000].map(vcpu), [2, 2, 2, 8, 96]);
        assert_eq!(SIZES.iter().filter(|name| catalogue.find(name).is_ok()).count(), SIZES.len());
    }
}
