//! What a task asks of a node.

/// The model of a node's GPUs: a number that the caller gives to each name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Model(u8);

impl Model {
    /// How many models there may be.
    pub const COUNT: usize = 64;

    /// The model with this number; `None` from [`Model::COUNT`] on.
    pub fn new(number: usize) -> Option<Model> {
        (number < Model::COUNT).then_some(Model(number as u8))
    }
}

/// The GPU models that a task runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Models(u64);

impl Models {
    /// Whichever there is, known or not.
    pub const ANY: Models = Models(u64::MAX);

    /// These alone; of none, the task runs nowhere.
    pub fn only(models: impl IntoIterator<Item = Model>) -> Models {
        Models(models.into_iter().fold(0, |all, model| all | 1 << model.0))
    }

    /// Whether a node with this model will do.
    pub fn accept(self, model: Option<Model>) -> bool {
        self == Models::ANY || model.is_some_and(|model| self.0 >> model.0 & 1 == 1)
    }
}

/// The GPUs of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GpuNeed {
    /// None.
    None,
    /// Part of one: thousandths, from 1 to 999.
    Share(u16),
    /// So many, each with nobody else on it.
    Whole(u8),
}

impl GpuNeed {
    /// How many GPUs of how many free thousandths each.
    pub fn parts(self) -> (usize, u16) {
        match self {
            GpuNeed::None => (0, 0),
            GpuNeed::Share(milli) => (1, milli),
            GpuNeed::Whole(count) => (count.into(), super::Gpus::WHOLE),
        }
    }

    /// Thousandths of a GPU in all.
    pub fn milli(self) -> u32 {
        let (count, each) = self.parts();
        count as u32 * u32::from(each)
    }
}

/// What a task takes on a node; tasks of one shape are placed alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape {
    /// CPU, in the unit of [`super::Room::cpu`].
    pub cpu: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// GPUs.
    pub gpu: GpuNeed,
    /// Where it may run.
    pub models: Models,
}
