//! Making a failing play smaller: kinds of faults go first, then single faults, then single requests, for as long as
//! it fails in the same way.

use crate::options::Options;
use crate::play::{Played, play};
use std::collections::BTreeSet;

/// Shrinks a failing play. `budget` bounds how often it is played; `told` hears of each step forward. Gives back the
/// smallest play that fails in the same way, which is the first one if nothing can go; `None` if it does not fail.
pub fn shrink(seed: u64, options: &Options, budget: u32, told: &mut dyn FnMut(&Played)) -> Option<Played> {
    let first = play(seed, options);
    if first.verdict.is_kept() {
        return None;
    }
    let mut shrinking = Shrinking { signature: first.verdict.signature(), best: first, budget, told };
    shrinking.kinds();
    let faults: Vec<u32> = shrinking.best.faults.iter().map(|(number, _)| *number).collect();
    shrinking.bisect(faults, |options| &mut options.skip_faults);
    let planned = shrinking.best.planned.clone();
    shrinking.bisect(planned, |options| &mut options.skip_requests);
    Some(shrinking.best)
}

struct Shrinking<'a> {
    signature: String,
    best: Played,
    budget: u32,
    told: &'a mut dyn FnMut(&Played),
}

impl Shrinking<'_> {
    /// Whether it still fails in the same way; if so it is the best so far.
    fn fails(&mut self, options: &Options) -> bool {
        if self.budget == 0 {
            return false;
        }
        self.budget -= 1;
        let played = play(self.best.seed, options);
        if played.verdict.signature() != self.signature {
            return false;
        }
        (self.told)(&played);
        self.best = played;
        true
    }

    fn kinds(&mut self) {
        let kinds: BTreeSet<_> = crate::faults::FaultKind::ALL.iter().copied().collect();
        for kind in kinds {
            if !self.best.drawn.contains(kind.name()) && kind.how() == crate::faults::How::AtMoments {
                continue;
            }
            let mut options = self.best.options.clone();
            if options.without.insert(kind) {
                self.fails(&options);
            }
        }
    }

    /// Leaves out ever smaller parts of what is left.
    fn bisect(&mut self, numbers: Vec<u32>, skipped: fn(&mut Options) -> &mut BTreeSet<u32>) {
        let mut left = numbers;
        let mut part = left.len().div_ceil(2);
        while part > 0 && self.budget > 0 && !left.is_empty() {
            let mut at = 0;
            while at < left.len() && self.budget > 0 {
                let end = (at + part).min(left.len());
                let mut options = self.best.options.clone();
                skipped(&mut options).extend(&left[at..end]);
                match self.fails(&options) {
                    true => drop(left.drain(at..end)),
                    false => at = end,
                }
            }
            part = if part == 1 { 0 } else { part.div_ceil(2) };
        }
    }
}
