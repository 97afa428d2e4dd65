//! The machine version: the leader raises it, and one that does not support it stops.

use super::Core;
use crate::command::{Command, PlanCommand};
use crate::effect::Effect;
use crate::plan::version;
use crate::version::Unsupported;

impl Core {
    /// The leader proposes the version that every controller supports, if it is a later one.
    pub(super) fn tend_version(&mut self) {
        if self.leading.is_none() || !self.in_flight.is_empty() {
            return;
        }
        let Some(to) = version::next(&self.state, self.limits.machine_version) else { return };
        let command = Command::Plan(PlanCommand::RaiseVersion { to });
        if !self.waiting.iter().any(|(waiting, _)| *waiting == command) {
            self.waiting.push_back((command, None));
        }
    }

    /// Why this member can follow no further, if it cannot.
    pub(super) fn unsupported(&self) -> Option<Unsupported> {
        beyond(self.state.version(), self.limits.machine_version)
    }

    /// Nothing after this can be read: deaf from then on.
    pub(super) fn stop_for(&mut self, why: Unsupported) {
        self.deaf = true;
        self.effects.push_back(Effect::Unsupported(why));
    }
}

/// A version that is beyond what is supported.
pub(super) fn beyond(version: u32, supports: u32) -> Option<Unsupported> {
    (version > supports).then_some(Unsupported { version, supports })
}
