//! Who comes first where several want what is spare: he who has borrowed the least of it for his weight, now and lately.
//!
//! Nodes are compared as siblings, from the region down, so that every team of a better workspace comes before every team of
//! a worse one, as in Slurm's Fair Tree; a node that would still be within its own comes before all that borrow (KEP-1714).

use std::cmp::Ordering;

/// A ratio that is never computed.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// What somebody has.
    pub over: u128,
    /// What he weighs; 0 for one for whom whatever he has is too much.
    pub under: u128,
}

impl Ratio {
    /// That of one who has nothing.
    pub const NOTHING: Ratio = Ratio { over: 0, under: 1 };
}

impl Ord for Ratio {
    fn cmp(&self, other: &Ratio) -> Ordering {
        match (self.under, other.under) {
            _ if self.over == 0 || other.over == 0 => self.over.cmp(&other.over),
            (0, 0) => self.over.cmp(&other.over),
            (0, _) => Ordering::Greater,
            (_, 0) => Ordering::Less,
            _ => (self.over * other.under).cmp(&(other.over * self.under)),
        }
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Ratio) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Ratio) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ratio {}

/// Where somebody stands who would be granted something: smaller goes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing(pub(super) Vec<(bool, Ratio)>);

impl Standing {
    /// Whether it would borrow on any level.
    pub fn borrows(&self) -> bool {
        self.0.iter().any(|(borrows, _)| *borrows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_compared_without_division() {
        let ratio = |over, under| Ratio { over, under };
        assert!(ratio(1, 3) < ratio(1, 2));
        assert_eq!(ratio(2, 6), ratio(1, 3));
        assert!(ratio(0, 0) < ratio(1, 1_000_000), "nothing borrowed is nothing, whatever it weighs");
        assert!(ratio(1, 0) > ratio(1_000_000, 1), "what weighs nothing comes last");
        assert!(ratio(2, 0) > ratio(1, 0));
    }
}
