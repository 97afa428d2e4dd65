//! Partitions: who does not reach whom, in one direction each.

use super::Place;
use std::collections::BTreeSet;

/// A set of places.
pub type Side = BTreeSet<Place>;

/// Nothing from one side reaches the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Who is not heard.
    pub from: Side,
    /// Who does not hear.
    pub to: Side,
}

/// The blocks in force, each under the number of what caused it.
#[derive(Debug, Default)]
pub(super) struct Blocks(Vec<(u32, Block)>);

impl Blocks {
    pub(super) fn add(&mut self, number: u32, block: Block) {
        self.0.push((number, block));
    }

    pub(super) fn lift(&mut self, number: u32) -> bool {
        let before = self.0.len();
        self.0.retain(|(known, _)| *known != number);
        self.0.len() < before
    }

    /// The number of one that is in the way.
    pub(super) fn stop(&self, from: Place, to: Place) -> Option<u32> {
        let stops = |(_, block): &&(u32, Block)| block.from.contains(&from) && block.to.contains(&to);
        self.0.iter().find(stops).map(|(number, _)| *number)
    }

    /// Opens every path between two of these, and leaves the rest of each block as it is.
    pub(super) fn spare(&mut self, among: &Side) {
        let mut rest = Vec::new();
        for (number, block) in self.0.drain(..) {
            let (inner, outer): (Side, Side) =
                block.from.into_iter().partition(|place| among.contains(place));
            let beyond: Side = block.to.difference(among).copied().collect();
            let parts = [Block { from: outer, to: block.to }, Block { from: inner, to: beyond }];
            let real = |block: &Block| !block.from.is_empty() && !block.to.is_empty();
            rest.extend(parts.into_iter().filter(real).map(|part| (number, part)));
        }
        self.0 = rest;
    }
}
