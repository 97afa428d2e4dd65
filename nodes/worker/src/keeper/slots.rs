//! The slots: threads with a cgroup each, kept from run to run, made when all are busy, ended when idle for long.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{Keeper, cgroup::Group, protocol::Limits, run::Run, slot};

/// How long slots may take to end when the keeper leaves.
const END: Duration = Duration::from_secs(10);
/// A slot's thread does little: it prepares a command and waits for it.
const STACK_BYTES: usize = 256 * 1024;

/// All slots.
#[derive(Debug)]
pub(super) struct Slots {
    /// A slot idle for so long ends.
    keep: Duration,
    /// The one used last is at the end, and is used first: its thread's memory is warm.
    idle: Mutex<Vec<Arc<Slot>>>,
    /// Slots whose thread has ended, or soon will; their groups are to be removed.
    ended: Mutex<Vec<Arc<Slot>>>,
    made: AtomicU64,
    removed: AtomicU64,
}

/// One slot.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) group: Arc<Group>,
    next: Mutex<Next>,
    given: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a slot is to do next.
#[derive(Debug, Default)]
enum Next {
    /// Wait.
    #[default]
    Nothing,
    /// This run.
    Run(Arc<Run>),
    /// End.
    End,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slots {
    /// No slots yet; each is to be kept for `keep` without a run.
    pub(super) fn new(keep: Duration) -> Self {
        let (made, removed) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { keep, idle: Mutex::default(), ended: Mutex::default(), made, removed }
    }

    /// Gives the run to an idle slot, with the same limits if there is one, or to a new one.
    pub(super) fn give(&self, keeper: &Arc<Keeper>, run: Arc<Run>) -> io::Result<()> {
        match self.take_idle(&run.request.limits) {
            Some(slot) => {
                slot.give(Next::Run(run));
                Ok(())
            }
            None => self.make(keeper, run),
        }
    }

    fn take_idle(&self, limits: &Limits) -> Option<Arc<Slot>> {
        let mut idle = locked(&self.idle);
        match idle.iter().rposition(|slot| slot.group.limits() == *limits) {
            Some(same) => Some(idle.remove(same)),
            None => idle.pop(),
        }
    }

    fn make(&self, keeper: &Arc<Keeper>, run: Arc<Run>) -> io::Result<()> {
        let number = self.made.load(Ordering::Relaxed);
        let group = Arc::new(keeper.root.group(number)?);
        self.made.fetch_add(1, Ordering::Relaxed);
        let slot = Arc::new(Slot {
            group,
            next: Mutex::new(Next::Run(run)),
            given: Condvar::new(),
            thread: Mutex::default(),
        });
        let (keeper, its) = (keeper.clone(), slot.clone());
        let thread = thread::Builder::new().name(format!("slot-{number}")).stack_size(STACK_BYTES);
        match thread.spawn(move || slot::live(&keeper, &its)) {
            Ok(handle) => {
                *locked(&slot.thread) = Some(handle);
                Ok(())
            }
            Err(error) => {
                self.removed.fetch_add(1, Ordering::Relaxed);
                slot.group.remove()?;
                Err(error)
            }
        }
    }

    /// The slot is free for another run.
    pub(super) fn put_back(&self, slot: &Arc<Slot>) {
        locked(&self.idle).push(slot.clone());
    }

    /// The slot's thread ends: its group is to be removed.
    pub(super) fn end(&self, slot: &Arc<Slot>) {
        locked(&self.ended).push(slot.clone());
    }

    /// Takes an idle slot out of use; false if it has just been given a run.
    fn retire(&self, slot: &Arc<Slot>) -> bool {
        let mut idle = locked(&self.idle);
        let at = idle.iter().position(|one| Arc::ptr_eq(one, slot));
        at.map(|at| idle.remove(at)).is_some()
    }

    /// Removes the groups of ended slots.
    pub(super) fn clear_ended(&self) -> io::Result<()> {
        for slot in std::mem::take(&mut *locked(&self.ended)) {
            let thread = locked(&slot.thread).take();
            if thread.is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("the thread of a slot has panicked");
            }
            self.removed.fetch_add(1, Ordering::Relaxed);
            slot.group.remove()?;
        }
        Ok(())
    }

    /// Ends all slots, which have no runs any more, and waits for it.
    pub(super) fn end_all(&self) -> io::Result<()> {
        let deadline = Instant::now() + END;
        while self.removed.load(Ordering::Relaxed) < self.made.load(Ordering::Relaxed) {
            if Instant::now() > deadline {
                return Err(io::Error::other("the threads of some slots do not end"));
            }
            // One that has just seen its run to the end may come back while we look.
            for slot in std::mem::take(&mut *locked(&self.idle)) {
                slot.give(Next::End);
            }
            self.clear_ended()?;
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Slot {
    fn give(&self, next: Next) {
        *locked(&self.next) = next;
        self.given.notify_one();
    }

    /// Waits for the next run; `None` when the slot is out of use, told so or idle for long.
    pub(super) fn next(self: &Arc<Self>, slots: &Slots) -> Option<Arc<Run>> {
        let mut next = locked(&self.next);
        loop {
            match std::mem::take(&mut *next) {
                Next::Run(run) => return Some(run),
                Next::End => return None,
                Next::Nothing => {}
            }
            let (again, waited) =
                self.given.wait_timeout(next, slots.keep).unwrap_or_else(PoisonError::into_inner);
            next = again;
            if waited.timed_out() && matches!(*next, Next::Nothing) {
                // Not under the lock: who gives a run holds that of the slots first.
                drop(next);
                if slots.retire(self) {
                    return None;
                }
                next = locked(&self.next);
            }
        }
    }
}
