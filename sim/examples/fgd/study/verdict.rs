//! Whether what came out is what was published.

use super::{Expected, Fill, Policy};

/// Judged when as much has arrived as the cluster has, in percent.
pub(crate) const JUDGED_AT: u32 = 100;

/// What came of a policy, over all seeds.
pub(crate) struct Outcome {
    /// The policy.
    pub(crate) policy: Policy,
    /// One for each seed.
    pub(crate) fills: Vec<Fill>,
}

impl Outcome {
    /// The mean of allocated GPU when so much had arrived, in percent.
    pub(crate) fn mean(&self, arrived: u32) -> f64 {
        let all = self.fills.iter().filter_map(|fill| fill.allocated.get(&arrived));
        all.sum::<f64>() / self.fills.len() as f64
    }

    /// Placements in a second.
    pub(crate) fn rate(&self) -> f64 {
        let placed: u64 = self.fills.iter().map(|fill| fill.placed).sum();
        placed as f64 / self.fills.iter().map(|fill| fill.took.as_secs_f64()).sum::<f64>()
    }

    /// Whether it is what was published; `None` if nothing was.
    pub(crate) fn is_as_published(&self, expected: &Expected) -> Option<bool> {
        let published = expected.at(self.policy, JUDGED_AT)?;
        Some((self.mean(JUDGED_AT) - published).abs() <= self.policy.tolerance()?)
    }
}

/// Whether, of those played, FGD packs better than BestFit, and that better than chance.
pub(crate) fn order_is_kept(outcomes: &[Outcome]) -> bool {
    let mean = |policy| {
        let outcome = outcomes.iter().find(|outcome| outcome.policy == policy);
        outcome.map(|outcome| outcome.mean(JUDGED_AT))
    };
    let means: Vec<f64> =
        [Policy::Random, Policy::BestFit, Policy::Fgd].into_iter().filter_map(mean).collect();
    means.is_sorted_by(|worse, better| worse < better)
}
