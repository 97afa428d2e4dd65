//! What happens while no controller leads that we hear: others may be connected, but none of them decides.

use super::{Attempts, Fence, Moment, OnDisconnect, Stopping};

impl Attempts {
    /// Time has passed; to be called about once a second.
    pub(crate) fn on_tick(&mut self, now: Moment) {
        self.now = now;
        if self.leader.current().is_some() || self.leaving {
            return;
        }
        let silence = now.elapsed.since(self.heard);
        if silence >= self.settings.lease {
            self.stop_those_that_say_so();
        }
        if silence >= self.settings.leave_after && !self.known.values().any(|attempt| attempt.stage.is_live())
        {
            tracing::warn!("no controller that leads for {silence}, and nothing runs: leaving");
            self.leave(true);
        }
    }

    fn stop_those_that_say_so(&mut self) {
        let stop = |(fence, attempt): (&Fence, &super::Attempt)| {
            let says_so = attempt.assignment.on_disconnect == OnDisconnect::Stop;
            (says_so && attempt.stage.is_live() && attempt.stopping.is_none()).then_some(*fence)
        };
        let fences: Vec<Fence> = self.known.iter().filter_map(stop).collect();
        for fence in fences {
            self.stop(fence, Stopping::Unheard);
        }
    }
}
