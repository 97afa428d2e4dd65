//! What is free on a node.

use super::{Devices, GpuNeed, Gpus, Model, Shape};

/// What is free on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Room {
    /// CPU, in whatever unit the caller counts it.
    pub cpu: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Each GPU.
    pub gpus: Gpus,
    /// The model of the GPUs, where it is known.
    pub model: Option<Model>,
}

impl Room {
    /// Whether a task of this shape fits.
    pub fn fits(&self, shape: &Shape) -> bool {
        let (count, each) = shape.gpu.parts();
        shape.cpu <= self.cpu
            && shape.memory_mib <= self.memory_mib
            && shape.models.accept(self.model)
            && self.gpus.with(each).0 >= count
    }

    /// The devices for a task that shares none, the first ones of those unused; for one that shares, none yet.
    pub fn unshared(&self, need: GpuNeed) -> Option<Devices> {
        match need {
            GpuNeed::None => Some(Devices::default()),
            GpuNeed::Whole(count) => self.gpus.unused(count.into()),
            GpuNeed::Share(_) => None,
        }
    }

    /// What is left once a task of this shape has these devices; `None` if it does not fit there.
    pub fn minus(&self, shape: &Shape, devices: Devices) -> Option<Room> {
        Some(Room {
            cpu: self.cpu.checked_sub(shape.cpu)?,
            memory_mib: self.memory_mib.checked_sub(shape.memory_mib)?,
            gpus: self.gpus.minus(shape.gpu, devices)?,
            model: shape.models.accept(self.model).then_some(self.model)?,
        })
    }

    /// What there is once a task of this shape has left these devices; `None` if it cannot have been there.
    pub fn plus(&self, shape: &Shape, devices: Devices) -> Option<Room> {
        Some(Room {
            cpu: self.cpu.checked_add(shape.cpu)?,
            memory_mib: self.memory_mib.checked_add(shape.memory_mib)?,
            gpus: self.gpus.plus(shape.gpu, devices)?,
            model: self.model,
        })
    }

    /// Every way to place a task of this shape that makes a difference: for one that shares, one device of each
    /// level of what is free, the fullest first.
    pub fn ways(&self, shape: &Shape) -> impl Iterator<Item = (Devices, Room)> {
        let (shape, room) = (*shape, *self);
        let share = match shape.gpu {
            GpuNeed::Share(milli) => Some(milli),
            GpuNeed::None | GpuNeed::Whole(_) => None,
        };
        let fits = room.fits(&shape);
        let mut level = share.filter(|_| fits);
        let shared = std::iter::from_fn(move || {
            let least = level?;
            let at = room.gpus.free().iter().copied().filter(|free| *free >= least).min()?;
            level = at.checked_add(1);
            room.gpus.at_level(at)
        });
        let unshared = room.unshared(shape.gpu).filter(|_| fits).into_iter();
        shared.chain(unshared).filter_map(move |devices| Some((devices, room.minus(&shape, devices)?)))
    }

    /// What all nodes have in common that are alike for every task.
    pub(super) fn canonical(&self) -> Room {
        Room { gpus: self.gpus.sorted(), ..*self }
    }
}
