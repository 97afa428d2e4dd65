//! The connection to the keeper: finds it or starts one, asks what it has, and passes on what it says.

use std::{cell::Cell, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use actix::Addr;
use tokio::{sync::mpsc, time};

use super::agent::{Agent, Happened};
use crate::keeper::{
    Confinement,
    client::{KeeperClientError, KeeperHandle, KeeperSender, Launch, SendError},
    protocol::{AttemptStatus, FromKeeper, ToKeeper},
};

/// Between tries to find or start a keeper, once there was one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What is passed on at once, at most.
const AT_ONCE: usize = 512;

/// Where the keeper is, and how to start it.
#[derive(Debug, Clone)]
pub(crate) struct KeeperPlace {
    pub(crate) folder: PathBuf,
    pub(crate) launch: Launch,
    /// The node leaves: no keeper is to be started any more.
    pub(crate) leaving: Rc<Cell<bool>>,
}

/// How to tell the keeper something.
pub(super) struct Orders {
    pub(super) sender: mpsc::UnboundedSender<Arc<ToKeeper>>,
    /// The keeper's process.
    pub(super) pid: u32,
    pub(super) confinement: String,
}

/// Keeps the connection, until the agent is gone.
pub(super) fn keep(place: KeeperPlace, agent: Addr<Agent>) {
    actix::spawn(async move {
        let mut pause = FIRST_PAUSE;
        let mut had_one = false;
        while agent.connected() && !place.leaving.get() {
            match KeeperHandle::connect_or_start(&place.folder, &place.launch).await {
                Ok(handle) => {
                    (pause, had_one) = (FIRST_PAUSE, true);
                    talk(handle, &agent).await;
                    tell(&agent, Happened::KeeperDown).await;
                }
                // Nothing runs yet, and whoever started us should know.
                Err(error) if !had_one => return tell(&agent, Happened::NoKeeper(error.into())).await,
                Err(error) => complain(&error, pause),
            }
            time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
}

fn complain(error: &KeeperClientError, pause: Duration) {
    tracing::error!(%error, next_in = ?pause, "there is no keeper, trying on");
}

async fn tell(agent: &Addr<Agent>, happened: Happened) {
    if agent.send(happened).await.is_err() {
        tracing::debug!("the agent has ended before it heard of its keeper");
    }
}

async fn talk(handle: KeeperHandle, agent: &Addr<Agent>) {
    let confinement = sentence(&handle.confinement);
    let pid = handle.pid;
    let (orders, mut news) = handle.split();
    let Some((list, rest)) = list(&orders, &mut news).await else { return };
    let (sender, waiting) = mpsc::unbounded_channel();
    actix::spawn(forward(orders, waiting, agent.clone()));
    tell(agent, Happened::KeeperUp { orders: Orders { sender, pid, confinement }, list }).await;
    tell(agent, Happened::KeeperSays(rest)).await;
    let mut batch = Vec::new();
    while news.recv_many(&mut batch, AT_ONCE).await > 0 {
        tell(agent, Happened::KeeperSays(std::mem::take(&mut batch))).await;
    }
}

/// All that the keeper has, and what it said meanwhile.
async fn list(
    orders: &KeeperSender,
    news: &mut mpsc::Receiver<FromKeeper>,
) -> Option<(Vec<AttemptStatus>, Vec<FromKeeper>)> {
    if let Err(error) = orders.send(&ToKeeper::List).await {
        tracing::warn!(%error, "the keeper cannot be asked what it has");
        return None;
    }
    let (mut all, mut rest) = (Vec::new(), Vec::new());
    loop {
        match news.recv().await? {
            FromKeeper::Attempts { attempts, last } => {
                all.extend(attempts);
                if last {
                    return Some((all, rest));
                }
            }
            message => rest.push(message),
        }
    }
}

/// Sends orders as fast as the keeper takes them.
async fn forward(
    orders: KeeperSender,
    mut waiting: mpsc::UnboundedReceiver<Arc<ToKeeper>>,
    agent: Addr<Agent>,
) {
    while let Some(order) = waiting.recv().await {
        match (orders.send(&order).await, &*order) {
            (Ok(()), _) => {}
            (Err(SendError::Gone), _) => return,
            (Err(SendError::Unsendable(error)), ToKeeper::Start(start)) => {
                let failed = FromKeeper::StartFailed { fence: start.fence, error: error.to_string() };
                agent.do_send(Happened::KeeperSays(vec![failed]));
            }
            (Err(SendError::Unsendable(error)), _) => {
                tracing::error!(%error, "an order is too large for the keeper")
            }
        }
    }
}

/// What is enforced, in a sentence.
fn sentence(confinement: &Confinement) -> String {
    let parts = [(confinement.cpu, "CPU"), (confinement.memory, "memory"), (confinement.pids, "processes")];
    let enforced: Vec<&str> = parts.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    let what = match enforced.is_empty() {
        true => "no limit is enforced".to_owned(),
        false => format!("limits of {} are enforced", enforced.join(", ")),
    };
    match confinement.notes.is_empty() {
        true => format!("{what} ({})", confinement.mechanism),
        false => format!("{what} ({}): {}", confinement.mechanism, confinement.notes.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_enforced_is_said_in_a_sentence() {
        let all =
            Confinement { mechanism: "cgroup v2".into(), memory: true, cpu: true, pids: true, notes: vec![] };
        assert_eq!(sentence(&all), "limits of CPU, memory, processes are enforced (cgroup v2)");
        let none = Confinement {
            mechanism: "none".into(),
            notes: vec!["a".into(), "b".into()],
            ..Confinement::default()
        };
        assert_eq!(sentence(&none), "no limit is enforced (none): a; b");
    }
}
