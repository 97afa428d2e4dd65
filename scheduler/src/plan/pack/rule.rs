//! How good a place is.

use super::{Devices, GpuNeed, Mix, Room, Shape};
use std::cmp::Reverse;

/// How good a place is: the greater, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rating {
    /// What is won; negative where something is lost. In the rule's own unit.
    pub gain: i64,
    /// Where that is the same: thousandths of GPU left, the fewer the better.
    pub gpu_left: Reverse<u32>,
    /// Where that is the same, too: CPU left, the less the better.
    pub cpu_left: Reverse<u64>,
}

impl Rating {
    /// Of a rule that knows no second thought.
    pub fn plain(gain: i64) -> Rating {
        Rating { gain, gpu_left: Reverse(0), cpu_left: Reverse(0) }
    }

    /// Of a rule that would rather have less left.
    pub fn fullest(gain: i64, left: &Room) -> Rating {
        Rating { gain, gpu_left: Reverse(left.gpus.milli()), cpu_left: Reverse(left.cpu) }
    }
}

/// A place on a node that has been rated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rated {
    /// How good it is.
    pub rating: Rating,
    /// The devices in the room that was rated.
    pub devices: Devices,
}

/// Rates the places for a task.
pub trait Rule {
    /// The best place in a room for a task of this shape; `None` if it does not fit. A pure function of both, and the
    /// same whatever the order of the devices is.
    fn rate(&self, room: &Room, shape: &Shape) -> Option<Rated>;
}

/// What is won is counted in steps of so many thousandths of a GPU, to the nearest. Finer differences say more about
/// the accidents of the mix than about the place: on three published workloads exact ones leave 0.1 to 1.5 points more
/// of the GPUs without use, and steps of 60 to 125 thousandths differ among themselves by 0.4.
const STEP: i64 = 80;

/// A task goes where the GPUs that are free but of no use to the typical task grow least, or shrink most. Of equal
/// places one with GPUs takes the first node, which keeps the later ones whole; one without keeps off free GPUs, and
/// takes the fullest node. As long as no task is typical, all take the fullest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragmentationAware {
    mix: Mix,
}

impl FragmentationAware {
    /// For a mix of tasks.
    pub fn new(mix: Mix) -> FragmentationAware {
        FragmentationAware { mix }
    }

    /// The tasks that are typical.
    pub fn mix(&self) -> &Mix {
        &self.mix
    }

    /// The fragments in a room less those in what would be left of it, times the mix's weight: exact.
    pub fn gain(&self, room: &Room, left: &Room) -> i64 {
        self.mix.fragments(room) - self.mix.fragments(left)
    }
}

impl Rule for FragmentationAware {
    fn rate(&self, room: &Room, shape: &Shape) -> Option<Rated> {
        let before = if room.fits(shape) { self.mix.fragments(room) } else { return None };
        let unit = STEP * (self.mix.weight() as i64).max(1);
        let fullest = shape.gpu == GpuNeed::None || self.mix.weight() == 0;
        let rated = room.ways(shape).map(|(devices, left)| {
            let gain = (before - self.mix.fragments(&left) + unit / 2).div_euclid(unit);
            let rating = if fullest { Rating::fullest(gain, &left) } else { Rating::plain(gain) };
            Rated { rating, devices }
        });
        // The first of equal ones: the fullest device.
        rated.reduce(|best, next| if next.rating > best.rating { next } else { best })
    }
}
