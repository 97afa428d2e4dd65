//! Who leads, as this controller knows it, for whoever wants to be told.

use tidegate_scheduler::Core;
use tidegate_scheduler::ids::ControllerId;
use tokio::sync::watch;

/// Who leads, as this controller knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// This controller.
    pub own: ControllerId,
    /// Who leads, if that is known.
    pub leader: Option<ControllerId>,
    /// Whether this one does, and can answer.
    pub leading: bool,
    /// The consensus group's term.
    pub term: u64,
}

impl Leadership {
    pub(crate) fn of(core: &Core) -> Leadership {
        Leadership { own: core.id(), leader: core.leader(), leading: core.is_leading(), term: core.term() }
    }

    /// Tells the news, if there is any.
    pub(crate) fn tell(core: &Core, told: &watch::Sender<Leadership>) {
        let now = Leadership::of(core);
        told.send_if_modified(|known| std::mem::replace(known, now) != now);
    }
}
