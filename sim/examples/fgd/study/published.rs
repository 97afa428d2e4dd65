//! The policies as they were published: each score cut to a whole number of 0 to 100, equal ones to the smallest name.
//! The scheduler's own rule is the same in integers, cut otherwise.

use std::fmt;
use tidegate_scheduler::plan::pack::{FragmentationAware, Rated, Rating, Room, Rule, Shape};

/// How a node is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Policy {
    /// Any that fits, each as likely as any other.
    Random,
    /// The one with least left, CPU and GPU in equal parts of the largest node.
    BestFit,
    /// The one where least fragments come to be, as published.
    Fgd,
    /// The scheduler's own: the same in integers.
    Own,
}

impl Policy {
    /// All of them.
    pub(crate) const ALL: [Policy; 4] = [Policy::Random, Policy::BestFit, Policy::Fgd, Policy::Own];

    /// The one with this name in the published table; it has others that are not played here.
    pub(crate) fn published(name: &str) -> Option<Policy> {
        Policy::ALL.into_iter().find(|policy| *policy != Policy::Own && policy.to_string() == name)
    }

    /// How far from the published mean is still the same, in points; `None` if it was not published.
    pub(crate) fn tolerance(self) -> Option<f64> {
        match self {
            Policy::Random => Some(1.5),
            Policy::BestFit | Policy::Fgd => Some(1.0),
            Policy::Own => None,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Policy::Random => "Random",
            Policy::BestFit => "BestFit",
            Policy::Fgd => "FGD",
            Policy::Own => "own",
        })
    }
}

/// Twice the CPU of the published cluster's largest node, in thousandths: CPU is one half of the score.
const CPU: i64 = 2 * 128_000;
/// Twice its GPUs, in thousandths: GPU is the other half.
const GPU: i64 = 2 * 8_000;

/// BestFit. The published one rescales the scores of all nodes to 0..100, which moves no best one.
pub(crate) struct BestFit;

impl Rule for BestFit {
    fn rate(&self, room: &Room, shape: &Shape) -> Option<Rated> {
        // The first way is the fullest GPU on which the pod fits.
        let (devices, left) = room.ways(shape).next()?;
        let used = CPU - left.cpu as i64 - i64::from(left.gpus.milli()) * (CPU / GPU);
        Some(Rated { rating: Rating::plain(100 * used / CPU), devices })
    }
}

/// FGD: the change in fragments, squashed.
pub(crate) struct Fgd(pub(crate) FragmentationAware);

impl Rule for Fgd {
    fn rate(&self, room: &Room, shape: &Shape) -> Option<Rated> {
        let weight = self.0.mix().weight() as f64;
        let rated = room.ways(shape).map(|(devices, left)| {
            let gpus = self.0.gain(room, &left) as f64 / weight / 1000.0;
            Rated { rating: Rating::plain((100.0 / (1.0 + libm::exp(-gpus))) as i64), devices }
        });
        rated.reduce(|best, next| if next.rating > best.rating { next } else { best })
    }
}
