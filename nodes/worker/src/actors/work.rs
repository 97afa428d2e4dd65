//! The work on attempts that is done elsewhere: on threads for files, or in tasks that wait for the network.

use std::sync::Arc;

use actix::Addr;
use tidegate_scheduler::{
    ids::Fence,
    message::{Assignment, End},
};
use tokio::sync::{Semaphore, oneshot};

use super::agent::{Agent, Happened};
use crate::{
    attempts::{Finish, Prepared, Refusal},
    finish::{self, Collected, Finished},
    folder::read_report,
    prepare::Preparer,
    threads::Threads,
};

/// How many attempts may send large contents at the same time.
static SENDING: Semaphore = Semaphore::const_new(4);

impl Agent {
    pub(super) fn prepare(&mut self, assignment: Arc<Assignment>, agent: Addr<Agent>) {
        let (fence, preparer) = (assignment.fence, self.preparer.clone());
        if let Some(ready) = preparer.at_once(&assignment) {
            return self.threads.run(move || {
                let result = preparer.make_at_once(&assignment, &ready);
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
        let (node, limit) = (self.preparer.node.clone(), self.preparer.config.log_limit_mib << 20);
        let (confinement, threads, preparer) = (self.confinement.clone(), self.threads.clone(), self.preparer.clone());
        let runtime = tokio::runtime::Handle::current();
        self.threads.run(move || {
            let found = finish::collect(&node, finish, confinement, limit);
            if found.is_small() {
                return done(&agent, finish::seal(&node, found));
            }
            runtime.spawn(send(found, preparer, threads, agent));
        });
    }

    /// Sends a report that is not in memory.
    pub(super) fn deliver_file(&self, fence: Fence, connection: u64) {
        let (folder, link) = (self.preparer.node.attempt(fence), self.link.clone());
        self.threads.run(move || match read_report(&folder) {
            Ok(reported) => link.do_send(super::link::Send::parcel(connection, reported.parcel)),
            // Reported once already, and said again on the next connection.
            Err(error) => tracing::error!(%fence, %error, "a report cannot be read back"),
        });
    }

    pub(super) fn remove(&self, fences: Vec<Fence>, agent: Addr<Agent>) {
        let node = self.preparer.node.clone();
        self.threads.run(move || {
            for fence in &fences {
                if let Err(error) = node.attempt(*fence).remove() {
                    tracing::warn!(%fence, %error, "an attempt's folder cannot be deleted wholly");
                }
            }
            agent.do_send(Happened::Removed(fences));
        });
    }
}

async fn prepare_unless(
    canceled: oneshot::Receiver<()>,
    preparer: Arc<Preparer>,
    assignment: Arc<Assignment>,
) -> Result<Prepared, Refusal> {
    tokio::select! {
        prepared = preparer.prepare(assignment) => prepared,
        Ok(()) = canceled => Err(Refusal { end: End::Stopped, record: None }),
    }
}

async fn send(found: Collected, preparer: Arc<Preparer>, threads: Threads, agent: Addr<Agent>) {
    let found = {
        // It is never closed.
        let _turn = SENDING.acquire().await;
        finish::store(found, &preparer.remote).await
    };
    threads.run(move || done(&agent, finish::seal(&preparer.node, found)));
}

fn done(agent: &Addr<Agent>, Finished { parcel, on_disk }: Finished) {
    agent.do_send(Happened::Finished { parcel, on_disk });
}
