//! What lies between machines: a plain struct that says when something arrives, if it does.
//!
//! Two services. `toss` may lose, double and reorder, and stands for messages that protocols must be able to
//! lose. `carry` keeps order and loses nothing while its path is open; who uses it breaks the connection when
//! the path is closed for long.

mod blocks;

pub use blocks::{Block, Side};

use crate::clock::Micros;
use crate::random::Random;
use blocks::Blocks;
use std::collections::BTreeMap;

/// Something with a place in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A controller, by its id.
    Controller(u64),
    /// A machine with a worker on it, by its number.
    Machine(u64),
    /// A client, by its number.
    Client(u64),
}

/// How good the network is, on every path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// No message takes less.
    pub delay_min: Micros,
    /// What it takes beyond that, on average; exponentially distributed.
    pub delay_mean: Micros,
    /// Of a million tossed messages so many are lost.
    pub loss: u32,
    /// So many arrive twice.
    pub duplicate: u32,
    /// So many may overtake, or be overtaken by, others.
    pub reorder: u32,
}

/// When a tossed message arrives: not at all, once or twice.
pub type Arrivals = [Option<Micros>; 2];

/// The network.
#[derive(Debug)]
pub struct Network {
    quality: Quality,
    random: Random,
    blocks: Blocks,
    slow: BTreeMap<(Place, Place), u32>,
    clogged: BTreeMap<(Place, Place), Micros>,
    last: BTreeMap<(Place, Place), Micros>,
    lost: u64,
    doubled: u64,
    overtaken: u64,
}

impl Network {
    /// A network without faults but those of its quality.
    pub fn new(quality: Quality, random: Random) -> Network {
        Network {
            quality,
            random,
            blocks: Blocks::default(),
            slow: BTreeMap::new(),
            clogged: BTreeMap::new(),
            last: BTreeMap::new(),
            lost: 0,
            doubled: 0,
            overtaken: 0,
        }
    }

    /// When a message arrives that may be lost, doubled or overtaken.
    pub fn toss(&mut self, now: Micros, from: Place, to: Place) -> Arrivals {
        if !self.is_open(from, to) || self.random.chance(self.quality.loss) {
            self.lost += 1;
            return [None, None];
        }
        let arrival = self.arrival(now, from, to);
        let last = self.last.entry((from, to)).or_default();
        let at = match self.random.chance(self.quality.reorder) {
            true => arrival,
            false => arrival.max(*last),
        };
        self.overtaken += u64::from(at < *last);
        *last = at.max(*last);
        let twice = self.random.chance(self.quality.duplicate);
        self.doubled += u64::from(twice);
        let again = twice.then(|| self.arrival(at, from, to));
        [Some(at), again]
    }

    /// When a message arrives on a connection that keeps order; asked only of an open path. `last` is the
    /// connection's own memory.
    pub fn carry(&mut self, now: Micros, from: Place, to: Place, last: &mut Micros) -> Micros {
        *last = self.arrival(now, from, to).max(*last);
        *last
    }

    /// Whether anything gets through.
    pub fn is_open(&self, from: Place, to: Place) -> bool {
        !self.blocks.stop(from, to)
    }

    fn arrival(&mut self, now: Micros, from: Place, to: Place) -> Micros {
        let Quality { delay_min, delay_mean, .. } = self.quality;
        let mut delay = delay_min.0 + self.random.exponential(delay_mean.0);
        if let Some(times) = self.slow.get(&(from, to)) {
            delay = delay.saturating_mul(u64::from(*times));
        }
        let arrival = now.after(Micros(delay));
        match self.clogged.get(&(from, to)) {
            Some(until) => arrival.max(until.after(Micros(delay))),
            None => arrival,
        }
    }

    /// Stops what a block says, until it is lifted by its number.
    pub fn block(&mut self, number: u32, block: Block) {
        self.blocks.add(number, block);
    }

    /// Lifts a block; tells whether there was one.
    pub fn unblock(&mut self, number: u32) -> bool {
        self.blocks.lift(number)
    }

    /// Lifts every block, clog and slowness on the way between two of these.
    pub fn heal(&mut self, among: &Side) {
        self.blocks.spare(among);
        self.slow.retain(|(from, to), _| !(among.contains(from) && among.contains(to)));
        self.clogged.retain(|(from, to), _| !(among.contains(from) && among.contains(to)));
    }

    /// From now on nothing is lost, doubled or reordered by chance.
    pub fn calm(&mut self) {
        self.quality = Quality { loss: 0, duplicate: 0, reorder: 0, ..self.quality };
    }

    /// Holds back what is sent on a path until a moment.
    pub fn clog(&mut self, from: Place, to: Place, until: Micros) {
        self.clogged.insert((from, to), until);
    }

    /// Makes a path so many times as slow; 1 for as it was.
    pub fn slow(&mut self, from: Place, to: Place, times: u32) {
        match times {
            0 | 1 => self.slow.remove(&(from, to)),
            times => self.slow.insert((from, to), times),
        };
    }

    /// How many messages were lost, doubled and overtaken.
    pub fn tally(&self) -> [u64; 3] {
        [self.lost, self.doubled, self.overtaken]
    }
}

#[cfg(test)]
mod tests;
