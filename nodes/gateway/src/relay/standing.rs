//! Who leads, for those that wait for it.

use super::routes::Came;
use crate::api::Problem;
use crate::problem::{self, no_leader};
use std::time::Duration;
use tidegate_controller::{Controller, Leadership};
use tidegate_scheduler::ids::ControllerId;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A request waits so long for somebody that leads, in all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// What is known of the leader is tried again this soon though nothing new was heard.
const PAUSE: Duration = Duration::from_millis(50);

/// Somebody's course from one leader to the next.
pub(crate) struct Standing {
    leadership: watch::Receiver<Leadership>,
    /// When the request was given to somebody last.
    asked: Instant,
    /// When there is no more time, once somebody could not answer.
    until: Option<Instant>,
    /// It changes something.
    change: bool,
    /// It may have been done by one that could not say so.
    uncertain: bool,
}

impl Standing {
    pub(crate) fn new(controller: &Controller, change: bool) -> Standing {
        let leadership = controller.leadership();
        Standing { leadership, asked: Instant::now(), until: None, change, uncertain: false }
    }

    /// Who leads now.
    pub(crate) fn look(&mut self) -> Leadership {
        self.asked = Instant::now();
        *self.leadership.borrow_and_update()
    }

    /// Returns when it is worth another try; fails, with what is known, when the time is over.
    pub(crate) async fn wait(&mut self, lost: Problem) -> Result<(), Problem> {
        self.uncertain |= problem::is_uncertain(&lost);
        // One that had answered for that long has lost leadership anew.
        if self.asked.elapsed() > PATIENCE {
            self.until = None;
        }
        let now = Instant::now();
        let until = *self.until.get_or_insert(now + PATIENCE);
        if now >= until {
            return Err(self.gave_up(&lost));
        }
        tokio::select! {
            changed = self.leadership.changed() => {
                changed.map_err(|_| no_leader("this controller is stopping"))
            }
            () = sleep_until(until.min(now + PAUSE)) => Ok(()),
        }
    }

    /// What is told when nothing more can be done about it.
    pub(crate) fn gave_up(&self, last: &Problem) -> Problem {
        match self.change && (self.uncertain || problem::is_uncertain(last)) {
            true => problem::uncertain(format_args!(
                "{last}. Send it again with the same `Idempotency-Key`, which this answer carries too"
            )),
            false => no_leader(format_args!("{last}. Nothing was changed; send it again")),
        }
    }

    async fn moved(&self, from: ControllerId) {
        moved(self.leadership.clone(), Some(from)).await;
    }
}

/// Returns once leadership is no longer where it is now, as this controller knows it.
pub(crate) async fn moves(controller: &Controller) {
    let leadership = controller.leadership();
    let from = leadership.borrow().leader;
    moved(leadership, from).await;
}

/// Returns once another controller leads than `from`.
pub(crate) async fn moves_from(controller: &Controller, from: ControllerId) {
    moved(controller.leadership(), Some(from)).await;
}

async fn moved(mut leadership: watch::Receiver<Leadership>, from: Option<ControllerId>) {
    let moved = |now: &Leadership| match now.leader {
        Some(leader) => Some(leader) != from || (leader == now.own && !now.leading),
        None => from == Some(now.own),
    };
    // A controller that is gone leads nobody.
    drop(leadership.wait_for(moved).await);
}

/// What came of `asking`, unless somebody else leads meanwhile: one that is stopped or cut off answers nothing more.
pub(crate) async fn unless_moved(
    standing: &Standing,
    from: ControllerId,
    asking: impl Future<Output = Came>,
) -> Came {
    tokio::select! {
        biased;
        came = asking => came,
        () = standing.moved(from) => Came::Lost(problem::uncertain(format_args!(
            "controller {from} was asked, and ceased to lead before it had answered"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn leadership(leader: Option<u64>, leading: bool) -> Leadership {
        Leadership { own: ControllerId(1), leader: leader.map(ControllerId), leading, term: 1 }
    }

    fn standing(now: Leadership) -> (watch::Sender<Leadership>, Standing) {
        let (told, leadership) = watch::channel(now);
        (told, Standing { leadership, asked: Instant::now(), until: None, change: true, uncertain: false })
    }

    #[test]
    fn leadership_has_moved_when_another_one_leads_or_this_one_ceases_to() {
        let has_moved =
            |from: u64, now: Leadership| standing(now).1.moved(ControllerId(from)).now_or_never().is_some();
        assert!(!has_moved(2, leadership(Some(2), false)));
        assert!(!has_moved(2, leadership(None, false)), "it may be the next one too");
        assert!(has_moved(2, leadership(Some(3), false)));
        assert!(!has_moved(1, leadership(Some(1), true)));
        assert!(has_moved(1, leadership(Some(1), false)));
        assert!(has_moved(1, leadership(None, false)));
        assert!(has_moved(1, leadership(Some(2), false)));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_and_what_may_have_been_done_is_said() {
        let (_told, mut standing) = standing(leadership(None, false));
        let began = Instant::now();
        standing.look();
        let mut lost = problem::uncertain("broken");
        let ended = loop {
            match standing.wait(lost).await {
                Ok(()) => standing.look(),
                Err(problem) => break problem,
            };
            lost = no_leader("nobody");
        };
        let mut asking = Standing { change: false, ..standing };
        asking.look();
        assert_eq!(asking.gave_up(&no_leader("nobody")).word(), "no-leader", "a question changes nothing");
        assert_eq!((began.elapsed(), ended.word()), (PATIENCE, "uncertain"));
        assert!(ended.detail.contains("Idempotency-Key"), "{ended}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_leader_is_tried_at_once_and_time_begins_anew_after_a_long_answer() {
        let (told, mut standing) = standing(leadership(None, false));
        told.send_replace(leadership(Some(2), false));
        let began = Instant::now();
        standing.wait(no_leader("nobody")).await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(standing.look().leader, Some(ControllerId(2)));
        tokio::time::advance(PATIENCE * 3).await;
        standing.wait(no_leader("it led for long")).await.unwrap();
        drop(told);
        assert_eq!(standing.wait(no_leader("x")).await.unwrap_err().word(), "no-leader");
    }
}
