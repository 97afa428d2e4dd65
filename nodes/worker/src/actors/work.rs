//! The work on attempts that is done elsewhere: on threads for files, or in tasks that wait for the network.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actix::Addr;
use tidegate_scheduler::{
    ids::Fence,
    message::{Assignment, End},
};
use tokio::sync::{Semaphore, oneshot};

use super::agent::{Agent, Happened};
use crate::{
    attempts::{Finish, Prepared, Refusal},
    finish::{self, Collected, Effort, Finished},
    folder::read_report,
    prepare::Preparer,
    threads::Threads,
};

/// How often contents are fetched again that the cache dropped in between.
const FETCHES: usize = 3;
/// How many attempts may send large contents at the same time.
static SENDING: Semaphore = Semaphore::const_new(4);

impl Agent {
    pub(super) fn prepare(&mut self, assignment: Arc<Assignment>, agent: Addr<Agent>) {
        let (fence, preparer) = (assignment.fence, self.preparer.clone());
        if let Some(gathered) = preparer.at_once(&assignment) {
            return self.threads.run(move || {
                let made = unless_it_panics(|| preparer.make_gathered(&assignment, &gathered));
                let result = match made {
                    Ok(made) => made.unwrap_or_else(|| Err(does_not_fit())),
                    Err(fault) => Err(system(format!("its preparation broke: {fault}"))),
                };
                agent.do_send(Happened::Prepared { fence, result });
            });
        }
        let (cancel, canceled) = oneshot::channel();
        self.preparing.insert(fence, cancel);
        actix::spawn(async move {
            let result = prepare_unless(canceled, preparer, assignment).await;
            agent.do_send(Happened::Prepared { fence, result });
        });
    }

    pub(super) fn cancel_preparing(&mut self, fence: Fence) {
        if let Some(cancel) = self.preparing.remove(&fence)
            && cancel.send(()).is_err()
        {
            tracing::debug!(%fence, "it is prepared already");
        }
    }

    pub(super) fn finish(&self, finish: Box<Finish>, agent: Addr<Agent>) {
        let finishing = Finishing {
            preparer: self.preparer.clone(),
            confinement: self.confinement.clone(),
            threads: self.threads.clone(),
            agent,
        };
        let runtime = tokio::runtime::Handle::current();
        self.threads.run(move || match finishing.collect(finish, Effort::Light) {
            Ok(found) => finishing.seal(found),
            // Large: on a thread of its own, so that others' short runs need not wait.
            Err(finish) => drop(runtime.spawn(finishing.store(finish))),
        });
    }

    /// Sends a report that is not in memory.
    pub(super) fn deliver_file(&self, fence: Fence) {
        // Who comes to lead asks for it by itself.
        let Some(leader) = self.attempts.leaders_link() else { return };
        let (folder, link) = (self.preparer.node.attempt(fence), self.link.clone());
        self.threads.run(move || match read_report(&folder) {
            Ok(reported) => link.do_send(super::link::Send::parcel(leader, reported.parcel)),
            // Reported once already, and said again to the next leader.
            Err(error) => tracing::error!(%fence, %error, "a report cannot be read back"),
        });
    }

    pub(super) fn remove(&self, fences: Vec<Fence>, agent: Addr<Agent>) {
        let node = self.preparer.node.clone();
        self.threads.run(move || {
            for fence in &fences {
                if let Err(error) = node.put_away(&node.attempt(*fence)) {
                    tracing::warn!(%fence, %error, "an attempt's folder cannot be deleted wholly");
                }
            }
            agent.do_send(Happened::Removed(fences));
        });
    }
}

async fn prepare_unless(
    mut canceled: oneshot::Receiver<()>,
    preparer: Arc<Preparer>,
    assignment: Arc<Assignment>,
) -> Result<Prepared, Refusal> {
    for _ in 0..FETCHES {
        // The waiting can be broken off, the making not: the folder is not touched once this has answered.
        let gathered = tokio::select! {
            gathered = preparer.gather(&assignment) => gathered?,
            Ok(()) = &mut canceled => return Err(Refusal { end: End::Stopped, record: None }),
        };
        let (maker, of) = (preparer.clone(), assignment.clone());
        let made = tokio::task::spawn_blocking(move || maker.make_gathered(&of, &gathered)).await;
        match made {
            Ok(Some(result)) => {
                if let Err(error) = preparer.cache.shrink().await {
                    tracing::warn!(%error, "the cache cannot be made smaller");
                }
                return result;
            }
            Ok(None) => {}
            Err(panicked) => return Err(system(format!("its preparation broke: {panicked}"))),
        }
    }
    Err(does_not_fit())
}

fn does_not_fit() -> Refusal {
    let what =
        "its contents do not fit the node's cache: raise `store_limit_mib` in the worker's configuration";
    system(what.to_owned())
}

fn system(reason: String) -> Refusal {
    Refusal { end: End::System { reason }, record: None }
}

/// What it takes to finish one attempt.
struct Finishing {
    preparer: Arc<Preparer>,
    confinement: String,
    threads: Threads,
    agent: Addr<Agent>,
}

impl Finishing {
    fn collect(&self, finish: Box<Finish>, effort: Effort) -> Result<Collected, Box<Finish>> {
        let limit = self.preparer.config.log_limit_mib << 20;
        let spare = finish.clone();
        let collect = || finish::collect(&self.preparer.node, finish, &self.confinement, limit, effort);
        unless_it_panics(collect).unwrap_or_else(|fault| Ok(finish::broken(spare, &fault)))
    }

    async fn store(self, finish: Box<Finish>) {
        let collect = move || {
            let collected = self.collect(finish, Effort::Full);
            (collected.unwrap_or_else(|finish| finish::broken(finish, "it is too much")), self)
        };
        // Whatever panics is caught inside.
        let Ok((mut found, finishing)) = tokio::task::spawn_blocking(collect).await else { return };
        if !found.is_small() {
            // It is never closed.
            let _turn = SENDING.acquire().await;
            found = finish::store(found, &finishing.preparer.remote).await;
        }
        let threads = finishing.threads.clone();
        threads.run(move || finishing.seal(found));
    }

    fn seal(&self, found: Collected) {
        let Finished { parcel, on_disk } = finish::seal(&self.preparer.node, found);
        self.agent.do_send(Happened::Finished { parcel, on_disk });
    }
}

/// A fault of ours in one attempt's work is the end of that attempt, not of all.
fn unless_it_panics<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("the worker's own code broke").to_owned()
    })
}
