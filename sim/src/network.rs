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
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

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
    /// A path holds so many tossed messages at once: what comes beyond is lost. Any number when absent.
    pub queue: Option<usize>,
}

/// When a tossed message arrives: not at all, once or twice.
pub type Arrivals = [Option<Micros>; 2];

/// The network.
#[derive(Debug)]
pub struct Network {
    quality: Quality,
    random: Random,
    blocks: Blocks,
    /// How many times as slow, and by which fault.
    slow: BTreeMap<(Place, Place), (u32, u32)>,
    /// Until when, and by which fault.
    clogged: BTreeMap<(Place, Place), (Micros, u32)>,
    last: BTreeMap<(Place, Place), Micros>,
    /// When what is on its way arrives, where queues are small.
    under_way: BTreeMap<(Place, Place), Vec<Micros>>,
    tally: Tally,
    /// The faults that stopped or held something back.
    felt: RefCell<BTreeSet<u32>>,
}

/// What became of tossed messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lost by chance.
    pub lost: u64,
    /// Arrive twice.
    pub doubled: u64,
    /// Overtake another one.
    pub overtaken: u64,
    /// Lost as a queue was full.
    pub overflowed: u64,
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
            under_way: BTreeMap::new(),
            tally: Tally::default(),
            felt: RefCell::default(),
        }
    }

    /// When a message arrives that may be lost, doubled or overtaken.
    pub fn toss(&mut self, now: Micros, from: Place, to: Place) -> Arrivals {
        if !self.is_open(from, to) {
            return [None, None];
        }
        if self.random.chance(self.quality.loss) {
            self.tally.lost += 1;
            return [None, None];
        }
        if self.is_full(now, from, to) {
            self.tally.overflowed += 1;
            return [None, None];
        }
        let arrival = self.arrival(now, from, to);
        let last = self.last.entry((from, to)).or_default();
        let at = match self.random.chance(self.quality.reorder) {
            true => arrival,
            false => arrival.max(*last),
        };
        self.tally.overtaken += u64::from(at < *last);
        *last = at.max(*last);
        let twice = self.random.chance(self.quality.duplicate);
        self.tally.doubled += u64::from(twice);
        let again = twice.then(|| self.arrival(at, from, to));
        if self.quality.queue.is_some() {
            self.under_way.entry((from, to)).or_default().extend([Some(at), again].into_iter().flatten());
        }
        [Some(at), again]
    }

    fn is_full(&mut self, now: Micros, from: Place, to: Place) -> bool {
        let Some(most) = self.quality.queue else { return false };
        let Some(under_way) = self.under_way.get_mut(&(from, to)) else { return false };
        under_way.retain(|at| *at > now);
        under_way.len() >= most
    }

    /// When a message arrives on a connection that keeps order; asked only of an open path. `last` is the
    /// connection's own memory.
    pub fn carry(&mut self, now: Micros, from: Place, to: Place, last: &mut Micros) -> Micros {
        *last = self.arrival(now, from, to).max(*last);
        *last
    }

    /// Whether anything gets through.
    pub fn is_open(&self, from: Place, to: Place) -> bool {
        let block = self.blocks.stop(from, to);
        self.felt.borrow_mut().extend(block);
        block.is_none()
    }

    fn arrival(&mut self, now: Micros, from: Place, to: Place) -> Micros {
        let Quality { delay_min, delay_mean, .. } = self.quality;
        let mut delay = delay_min.0 + self.random.exponential(delay_mean.0);
        if let Some((times, number)) = self.slow.get(&(from, to)) {
            delay = delay.saturating_mul(u64::from(*times));
            self.felt.get_mut().insert(*number);
        }
        let arrival = now.after(Micros(delay));
        match self.clogged.get(&(from, to)) {
            Some((until, number)) if *until > now => {
                self.felt.get_mut().insert(*number);
                until.after(Micros(delay))
            }
            _ => arrival,
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
        self.quality = Quality { loss: 0, duplicate: 0, reorder: 0, queue: None, ..self.quality };
    }

    /// Holds back what is sent on a path until a moment; `number` is that of what caused it.
    pub fn clog(&mut self, number: u32, from: Place, to: Place, until: Micros) {
        self.clogged.insert((from, to), (until, number));
    }

    /// Makes a path so many times as slow; 1 for as it was.
    pub fn slow(&mut self, number: u32, from: Place, to: Place, times: u32) {
        match times {
            0 | 1 => self.slow.remove(&(from, to)),
            times => self.slow.insert((from, to), (times, number)),
        };
    }

    /// What became of tossed messages.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The numbers of the faults that stopped something, or held it back, since this was last asked.
    pub fn take_felt(&mut self) -> BTreeSet<u32> {
        self.felt.take()
    }

    /// How many tossed messages wait for one that stands still.
    pub fn queue(&self) -> Option<usize> {
        self.quality.queue
    }
}

#[cfg(test)]
mod tests;
