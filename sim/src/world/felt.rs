//! Which faults had an effect: what was injected and changed nothing proves nothing.

use super::World;
use crate::clock::Micros;
use crate::coverage::Mark;
use crate::faults::FaultKind;
use tidegate_scheduler::Input;
use tidegate_scheduler::ids::ControllerId;

/// A change of leader that comes later has other reasons than that leadership was given away.
const TRANSFER: Micros = Micros::seconds(3);

impl World {
    /// A fault of this kind had its effect.
    pub(crate) fn note_fault(&mut self, kind: FaultKind) {
        self.coverage.fault(kind.name());
    }

    /// Of what lasts: whether anything was stopped, held back or slowed down.
    pub(super) fn note_felt(&mut self) {
        for number in self.network.take_felt() {
            let fault = self.faults.binary_search_by_key(&number, |fault| fault.number);
            if let Ok(at) = fault {
                self.note_fault(self.faults[at].kind);
            }
        }
        let slowed =
            self.controllers.values_mut().filter_map(|it| it.disk.take_was_slow().then_some(())).count();
        (0..slowed).for_each(|_| self.note_fault(FaultKind::SlowDisk));
    }

    /// Of what happens by chance: whether it ever did.
    pub(super) fn note_chances(&mut self) {
        let (network, cloud) = (self.network.tally(), self.cloud.tally());
        let counts = [
            (FaultKind::Loss, network.lost),
            (FaultKind::Duplicate, network.doubled),
            (FaultKind::Reorder, network.overtaken),
            (FaultKind::SmallQueues, network.overflowed),
            (FaultKind::StockOut, cloud.stocked_out),
            (FaultKind::CreateTimesOut, cloud.timed_out),
            (FaultKind::CreatesTwice, cloud.doubled),
            (FaultKind::NeverBoots, cloud.never_boots),
            (FaultKind::DeleteIgnored, cloud.ignored),
            (FaultKind::StaleList, cloud.stale_lists),
        ];
        for (kind, count) in counts {
            // Messages overtake each other also where none of them is meant to.
            if count > 0 && self.swarm.kinds.contains(&kind) {
                self.note_fault(kind);
            }
        }
    }

    /// Leadership is given away.
    pub(super) fn transfer(&mut self, id: u64, to: Option<ControllerId>, by_fault: bool) {
        self.transferring = Some((id, self.now(), by_fault));
        self.step(id, Input::Transfer { to });
    }

    /// Somebody leads: perhaps as leadership was given away.
    pub(super) fn note_transfer(&mut self, id: u64) {
        let now = self.now();
        let Some((from, at, by_fault)) = self.transferring.take() else { return };
        let well = self.controllers.get(&from).is_some_and(|controller| controller.is_up());
        if from != id && well && now.since(at) < TRANSFER {
            self.coverage.mark(Mark::Transferred);
            if by_fault {
                self.note_fault(FaultKind::Transfer);
            }
        }
    }

    /// Who is a member has changed: perhaps one has taken the place of another.
    pub(super) fn note_replaced(&mut self) {
        let members = self.members.clone();
        let is_done = |(old, new, _): &(u64, u64, bool)| members.contains(*new) && !members.contains(*old);
        let done: Vec<(u64, u64, bool)> = self.replacements.extract_if(.., |pair| is_done(pair)).collect();
        for (_, _, was_well) in done {
            self.coverage.mark(Mark::Replaced);
            if was_well {
                self.note_fault(FaultKind::Replace);
            }
        }
    }

    /// The machine version may have been raised.
    pub(super) fn note_version(&mut self, before: u32) {
        if self.reference.state().version() > before {
            self.coverage.mark(Mark::VersionRaised);
            self.note_fault(FaultKind::MixedVersions);
        }
    }
}
