//! The tasks that are typical, and how much of a node's free GPUs they could not use.

use super::{Models, Room, Shape};
use std::cmp::Reverse;

/// Beyond this many tasks only their proportions are kept, so that no product overflows.
const WEIGHT: u64 = 1 << 40;

/// The typical tasks and how popular each is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// By the free thousandths that each of their GPUs must have, ascending.
    levels: Vec<Level>,
    weight: u64,
}

/// Typical tasks whose GPUs must each have the same free on them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Level {
    each: u16,
    /// By CPU, ascending.
    tasks: Vec<Typical>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Typical {
    cpu: u64,
    memory_mib: u64,
    count: usize,
    models: Models,
    weight: u64,
}

impl Mix {
    /// The most frequent shapes that make up 95 of 100 tasks; of equally frequent ones the smaller first.
    pub fn typical(counts: impl IntoIterator<Item = (Shape, u64)>) -> Mix {
        let mut counts: Vec<(Shape, u64)> = counts.into_iter().collect();
        counts.sort_unstable_by_key(|(shape, count)| (Reverse(*count), *shape));
        let all: u128 = counts.iter().map(|(_, count)| u128::from(*count)).sum();
        let mut covered = 0;
        let typical = counts.into_iter().take_while(|(_, count)| {
            let more = covered * 100 < all * 95;
            covered += u128::from(*count);
            more
        });
        Mix::of(typical.collect::<Vec<_>>())
    }

    /// Exactly these shapes, with how many tasks have each.
    pub fn of(counts: impl IntoIterator<Item = (Shape, u64)>) -> Mix {
        let counts: Vec<(Shape, u64)> = counts.into_iter().collect();
        let all: u128 = counts.iter().map(|(_, count)| u128::from(*count)).sum();
        let scale = (all / u128::from(WEIGHT) + 1) as u64;
        let mut mix = Mix { levels: Vec::new(), weight: 0 };
        for (shape, count) in counts {
            let weight = count / scale;
            mix.weight += weight;
            let (count, each) = shape.gpu.parts();
            // A task without GPUs can use none: it counts in the weight of all, and is looked for nowhere.
            if count == 0 || weight == 0 {
                continue;
            }
            let task =
                Typical { cpu: shape.cpu, memory_mib: shape.memory_mib, count, models: shape.models, weight };
            match mix.levels.binary_search_by_key(&each, |level| level.each) {
                Ok(at) => mix.levels[at].tasks.push(task),
                Err(at) => mix.levels.insert(at, Level { each, tasks: vec![task] }),
            }
        }
        for level in &mut mix.levels {
            level.tasks.sort_by_key(|task| task.cpu);
        }
        mix
    }

    /// How many tasks the mix stands for: what [`Mix::fragments`] is to be divided by.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// The thousandths of free GPU in this room that a typical task could not use, in the mean, times
    /// [`Mix::weight`]. To a task that cannot run there all that is free is lost; to one that can, the GPUs that
    /// have less free than it needs on each.
    pub fn fragments(&self, room: &Room) -> i64 {
        let idle = u64::from(room.gpus.milli());
        let mut usable = 0;
        for level in &self.levels {
            let (count, milli) = room.gpus.with(level.each);
            if count == 0 {
                break;
            }
            usable += u64::from(milli) * level.weight(room, count);
        }
        (idle * self.weight - usable) as i64
    }
}

impl Level {
    /// How many tasks could run in the room, of whose GPUs so many have enough free.
    fn weight(&self, room: &Room, count: usize) -> u64 {
        let fits = |task: &&Typical| {
            task.memory_mib <= room.memory_mib && task.count <= count && task.models.accept(room.model)
        };
        let cheap = self.tasks.iter().take_while(|task| task.cpu <= room.cpu);
        cheap.filter(fits).map(|task| task.weight).sum()
    }
}
