//! S12: a node has at most one VM for long, and a VM that no node needs does not stay, while a leader is there to
//! see to it.

use crate::clock::Micros;
use crate::cloud::Cloud;
use crate::coverage::{Coverage, Mark};
use std::collections::BTreeMap;
use tidegate_scheduler::State;
use tidegate_scheduler::ids::NodeId;

/// How long one leader may take to be rid of it.
const WITHIN: Micros = Micros::seconds(180);

/// What was seen of VMs that should not be.
#[derive(Default)]
pub(crate) struct VmsAreKnown {
    /// Since when the same leader has been at it.
    leader: Option<(u64, u32, Micros)>,
    surplus: BTreeMap<u64, Micros>,
}

impl VmsAreKnown {
    /// Looks at what there is. `leader` is who leads, in which life.
    pub(crate) fn look(
        &mut self,
        now: Micros,
        leader: Option<(u64, u32)>,
        state: &State,
        cloud: &Cloud,
        coverage: &mut Coverage,
    ) {
        self.leader = leader.map(|(id, life)| match self.leader {
            Some((known, lived, since)) if (known, lived) == (id, life) => (id, life, since),
            _ => (id, life, now),
        });
        let mut first: BTreeMap<NodeId, u64> = BTreeMap::new();
        let mut surplus = BTreeMap::new();
        for (vm, entry) in cloud.truth() {
            let second = first.insert(entry.node, vm).is_some();
            // Also one whose node never was: nobody will ever ask for it.
            let unknown = state.node(entry.node).is_none();
            if second {
                coverage.mark(Mark::TwoVms);
            }
            if second || unknown {
                surplus.insert(vm, self.surplus.get(&vm).copied().unwrap_or(now));
            }
        }
        let reaped = self.surplus.keys().filter(|vm| !surplus.contains_key(vm));
        reaped.for_each(|_| coverage.mark(Mark::OrphanReaped));
        self.surplus = surplus;
    }

    /// Those that stayed too long.
    pub(crate) fn broken(&self, now: Micros) -> Vec<String> {
        let Some((id, _, since)) = self.leader else { return Vec::new() };
        let long = |from: &Micros| now.since((*from).max(since)) > WITHIN;
        let overdue = self.surplus.iter().filter(|(_, from)| long(from));
        overdue
            .map(|(vm, from)| {
                format!("S12 VMs are known: VM {vm} is needed by no node since {from:?}, and {id} leads since {since:?}")
            })
            .collect()
    }

    /// Whether there is none now.
    pub(crate) fn is_clean(&self) -> bool {
        self.surplus.is_empty()
    }
}
