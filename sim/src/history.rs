//! The ordered log of a play, and its hash: equal for the same seed, whoever plays it.

use crate::clock::Micros;

/// The log. Lines are made only when they are kept; the hash always is.
#[derive(Debug, Default)]
pub(crate) struct History {
    keeps: bool,
    lines: Vec<String>,
    hash: u64,
}

impl History {
    /// One that keeps its lines, or only their hash.
    pub(crate) fn new(keeps: bool) -> History {
        History { keeps, lines: Vec::new(), hash: 0xcbf2_9ce4_8422_2325 }
    }

    /// Takes numbers into the hash.
    pub(crate) fn mix(&mut self, numbers: &[u64]) {
        for number in numbers {
            // The finalizer of splitmix64: every bit of the number moves every bit of the hash.
            let mut mixed = self.hash ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            self.hash = mixed ^ (mixed >> 31);
        }
    }

    /// Writes a line, if lines are kept.
    pub(crate) fn say(&mut self, now: Micros, line: impl FnOnce() -> String) {
        if self.keeps {
            self.lines.push(format!("{now} {}", line()));
        }
    }

    /// Whether lines are kept.
    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}
