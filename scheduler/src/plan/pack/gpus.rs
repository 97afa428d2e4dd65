//! What is free on each GPU of a node.

use super::GpuNeed;

/// Free thousandths of each GPU of a node, in the order of the devices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Gpus {
    count: u8,
    free: [u16; Gpus::COUNT],
}

/// Some of a node's GPUs: bit `n` stands for device `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Devices(u16);

impl Devices {
    /// Device `n` alone; `None` where no node has so many.
    pub fn one(n: usize) -> Option<Devices> {
        (n < Gpus::COUNT).then(|| Devices(1 << n))
    }

    /// The devices, in order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..Gpus::COUNT).filter(move |n| self.0 >> n & 1 == 1)
    }
}

impl Gpus {
    /// How many GPUs a node may have.
    pub const COUNT: usize = 16;
    /// Thousandths of a GPU that nobody uses.
    pub const WHOLE: u16 = 1000;

    /// GPUs with so much free on each; `None` if there are too many, or one has more than a whole one has.
    pub fn new(free: &[u16]) -> Option<Gpus> {
        let mut gpus = Gpus { count: free.len() as u8, ..Gpus::default() };
        gpus.free.get_mut(..free.len())?.copy_from_slice(free);
        free.iter().all(|free| *free <= Gpus::WHOLE).then_some(gpus)
    }

    /// So many GPUs that nobody uses; `None` if they are too many.
    pub fn idle(count: usize) -> Option<Gpus> {
        Gpus::new([Gpus::WHOLE; Gpus::COUNT].get(..count)?)
    }

    /// What is free on each.
    pub fn free(&self) -> &[u16] {
        &self.free[..self.count.into()]
    }

    /// What is free on all of them together, in thousandths.
    pub fn milli(&self) -> u32 {
        self.free().iter().map(|free| u32::from(*free)).sum()
    }

    /// On how many at least `each` thousandths are free, and how much is free on those together.
    pub fn with(&self, each: u16) -> (usize, u32) {
        let with = self.free().iter().filter(|free| **free >= each);
        with.fold((0, 0), |(count, milli), free| (count + 1, milli + u32::from(*free)))
    }

    /// The first device with exactly `level` thousandths free.
    pub fn at_level(&self, level: u16) -> Option<Devices> {
        Devices::one(self.free().iter().position(|free| *free == level)?)
    }

    /// The first `count` devices that nobody uses.
    pub fn unused(&self, count: usize) -> Option<Devices> {
        let unused = (0..self.free().len()).filter(|n| self.free[*n] == Gpus::WHOLE).take(count);
        let (found, devices) = unused.fold((0, 0), |(found, bits), n| (found + 1, bits | 1 << n));
        (found == count).then_some(Devices(devices))
    }

    /// What is left once a task has these devices; `None` if they have not so much, or are not so many.
    pub fn minus(mut self, need: GpuNeed, devices: Devices) -> Option<Gpus> {
        self.change(need, devices, |free, each| free.checked_sub(each))?;
        Some(self)
    }

    /// What there is once a task has given these devices back; `None` if it cannot have had them.
    pub fn plus(mut self, need: GpuNeed, devices: Devices) -> Option<Gpus> {
        self.change(need, devices, |free, each| free.checked_add(each).filter(|free| *free <= Gpus::WHOLE))?;
        Some(self)
    }

    /// The same, the fullest first: nodes that differ only in the order of their devices are alike.
    pub(super) fn sorted(mut self) -> Gpus {
        self.free[..self.count.into()].sort_unstable();
        self
    }

    fn change(
        &mut self,
        need: GpuNeed,
        devices: Devices,
        to: impl Fn(u16, u16) -> Option<u16>,
    ) -> Option<()> {
        let (count, each) = need.parts();
        if devices.0.count_ones() as usize != count {
            return None;
        }
        for n in devices.iter() {
            let free = self.free[..self.count.into()].get_mut(n)?;
            *free = to(*free, each)?;
        }
        Some(())
    }
}

impl std::fmt::Debug for Gpus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.free())
    }
}
