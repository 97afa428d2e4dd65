//! What goes wrong: kinds of faults, and their schedule, drawn before the play begins so that a part of it can be
//! left out.

mod kinds;

pub use kinds::{FaultKind, How};

use crate::clock::Micros;
use crate::random::Random;
use std::collections::BTreeMap;

/// One fault at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number, from 0.
    pub number: u32,
    /// When.
    pub at: Micros,
    /// What.
    pub kind: FaultKind,
    /// For how long, where it lasts.
    pub span: Micros,
    /// Chooses whom it hits.
    pub dice: u64,
}

/// Draws all faults of a play that lasts so long; `gaps` tells how far apart those of a kind are, on average.
pub fn schedule(seed: u64, gaps: &BTreeMap<FaultKind, Micros>, span: Micros) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (kind, gap) in gaps {
        let mut random = Random::stream(seed, kind.name());
        let mut at = Micros::seconds(5);
        loop {
            at = at.after(Micros(random.exponential(gap.0)).max(Micros::millis(100)));
            if at >= span {
                break;
            }
            let longest = kind.longest();
            let lasts = Micros::millis(random.scale(2..=longest.0 / 1000 + 100));
            faults.push(Fault { number: 0, at, kind: *kind, span: lasts, dice: random.bits() });
        }
    }
    faults.sort_by_key(|fault| (fault.at, fault.kind));
    for (number, fault) in faults.iter_mut().enumerate() {
        fault.number = number as u32;
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaving_one_kind_out_moves_no_other() {
        let gap = Micros::seconds(30);
        let mut gaps: BTreeMap<_, _> =
            [FaultKind::Crash, FaultKind::Pause, FaultKind::OneWay].map(|kind| (kind, gap)).into();
        let all = schedule(9, &gaps, Micros::seconds(600));
        gaps.remove(&FaultKind::Pause);
        let fewer = schedule(9, &gaps, Micros::seconds(600));
        let plain = |faults: &[Fault]| {
            let kept = faults.iter().filter(|fault| fault.kind != FaultKind::Pause);
            kept.map(|fault| (fault.at, fault.kind, fault.span, fault.dice)).collect::<Vec<_>>()
        };
        assert!(fewer.len() > 20 && fewer.len() < all.len());
        assert_eq!(plain(&all), plain(&fewer));
    }
}
