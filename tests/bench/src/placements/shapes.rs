//! What the runs of a queue need.

use tidegate_scheduler::resources::{Need, Resources};

/// What a node has: 16 vCPU, 128 GiB and 4 GPUs.
pub(super) const NODE: Resources = Resources { vcpu: 16, memory_mib: 128 << 10, gpu_milli: 4_000 };

/// Which shapes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shapes {
    /// All need the same: two vCPU.
    Uniform,
    /// Of two hundred shapes.
    Mixed,
    /// Of a hundred runs one needs little, and the others, of a hundred shapes, what no node has free.
    Blocked,
}

impl Shapes {
    /// What the `number`th run needs.
    pub(super) fn need(self, number: u64) -> Need {
        let small = Resources { vcpu: 2, memory_mib: 8 << 10, gpu_milli: 0 };
        // Numbers that follow each other need different things.
        let dice = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        match self {
            Shapes::Uniform => Need::Part(small),
            Shapes::Mixed => Need::Part(Resources {
                vcpu: 1 + (dice % 4) as u32,
                memory_mib: (1 + dice / 4 % 10) << 11,
                gpu_milli: 500 * (dice / 40 % 5).saturating_sub(2) as u32,
            }),
            Shapes::Blocked if number.is_multiple_of(100) => Need::Part(small),
            Shapes::Blocked => {
                Need::Part(Resources { vcpu: 16, memory_mib: (100 << 10) + dice % 100, gpu_milli: 0 })
            }
        }
    }

    /// What fills the nodes before anything is measured.
    pub(super) fn filling(self, number: u64) -> Need {
        match self {
            Shapes::Blocked => Shapes::Uniform.need(number),
            Shapes::Uniform | Shapes::Mixed => self.need(number),
        }
    }
}
