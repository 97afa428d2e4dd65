//! Three controllers in one process: they agree, one that goes is missed by nobody, and another one may join.

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;
use support::{config, pool, submit};
use tidegate_controller::{ControllerConfig, JoinBundle, Running, found, start};
use tidegate_scheduler::ids::{ControllerId, RequestKey};
use tidegate_scheduler::{Limits, Outcome, Refusal};
use tidegate_store::RunFilter;

/// How long anything may take; far more than it does.
const PATIENCE: Duration = Duration::from_secs(30);

fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let sockets: Vec<UdpSocket> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    sockets.iter().map(|socket| socket.local_addr().unwrap()).collect()
}

async fn begin(data: &Path, bundle: &JoinBundle, listen: SocketAddr, limits: Limits) -> Running {
    bundle.install(data).unwrap();
    again(data, listen, limits).await
}

async fn again(data: &Path, listen: SocketAddr, limits: Limits) -> Running {
    let config = ControllerConfig { listen, ..config(data, limits) };
    start(config).await.unwrap()
}

/// The one that leads, once one does.
async fn leader(running: &[Running]) -> usize {
    tokio::time::timeout(PATIENCE, async {
        loop {
            for (at, one) in running.iter().enumerate() {
                if one.controller.leadership().borrow().leading {
                    return at;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("a leader")
}

async fn names(running: &Running) -> Vec<String> {
    tokio::time::timeout(PATIENCE, running.controller.readable()).await.expect("a read").unwrap();
    let names = |core: &tidegate_scheduler::Core| {
        core.state().runs().iter().map(|(_, run)| run.name.to_string()).collect::<Vec<_>>()
    };
    running.controller.read(names).await.unwrap()
}

/// Waits until this controller's history has all runs.
async fn in_history(running: &Running, count: usize) {
    tokio::time::timeout(PATIENCE, async {
        loop {
            running.controller.settle_history().await.unwrap();
            let history = running.controller.history().clone();
            let filter = RunFilter::default();
            let runs = tokio::task::spawn_blocking(move || history.runs(&filter, None, 1000)).await.unwrap();
            if runs.is_ok_and(|page| page.items.len() == count) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("all runs in history");
}

/// Waits until a controller votes and the one that it replaces is no more.
async fn has_replaced(running: &Running, new: u64, old: u64) {
    tokio::time::timeout(PATIENCE, async {
        loop {
            let voters = running.controller.read(|core| core.members().voters.clone()).await.unwrap();
            let known = running.controller.read(|core| core.state().controllers().count()).await.unwrap();
            if voters.contains(&new) && !voters.contains(&old) && known == 3 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the new one votes and the old one is gone");
}

/// Waits until a controller reads where this one is.
async fn has_a_place(running: &Running, id: u64) {
    let placed = move |core: &tidegate_scheduler::Core| {
        let known = core.state().controller(ControllerId(id));
        known.is_some_and(|known| !known.card.address.is_empty())
    };
    tokio::time::timeout(PATIENCE, async {
        while !running.controller.read(placed).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("its place in the table");
}

/// A joiner dials before its place is in the table; whatever changes in the table meanwhile, it has not left.
#[test]
fn one_that_joins_while_others_are_invited_is_not_taken_for_one_that_has_left() {
    let temp = tempfile::tempdir().unwrap();
    let addresses = free_addresses(2);
    actix::System::new().block_on(async {
        let bundle = &found("test", &[addresses[0].to_string()]).unwrap()[0];
        let first = begin(&temp.path().join("c1"), bundle, addresses[0], Limits::default()).await;
        let invite = first.controller.invite(None, false, None).await.unwrap();
        let (inviting, stop) = (first.controller.clone(), std::rc::Rc::new(std::cell::Cell::new(false)));
        let stopped = stop.clone();
        let invitations = actix_rt::spawn(async move {
            while !stopped.get() {
                inviting.invite(None, false, None).await.unwrap();
            }
        });
        let second = begin(&temp.path().join("c2"), &invite, addresses[1], Limits::default()).await;
        let own = second.controller.membership().id;
        tokio::select! {
            biased;
            () = second.removed.happened() => panic!("the one that joins was told that it has left"),
            () = has_a_place(&second, own) => {}
        }
        stop.set(true);
        invitations.await.unwrap();
        assert!(names(&second).await.is_empty(), "it reads what the first one has");
        second.stop().await;
        first.stop().await;
    });
}

#[test]
fn three_agree_and_another_takes_over() {
    let temp = tempfile::tempdir().unwrap();
    let addresses = free_addresses(4);
    let names_of: Vec<String> = addresses.iter().take(3).map(ToString::to_string).collect();
    let bundles = found("test", &names_of).unwrap();
    // Snapshots are made all the time, and little stays in memory: whoever comes later gets one.
    let limits = || Limits {
        entries_per_snapshot: 5,
        replicated_tail_bytes: 0,
        lagging_bytes: 0,
        ..Limits::default()
    };
    actix::System::new().block_on(async {
        let mut running = Vec::new();
        for (at, bundle) in bundles.iter().enumerate() {
            let data = temp.path().join(format!("c{}", bundle.id));
            running.push(begin(&data, bundle, addresses[at], limits()).await);
        }
        let first = leader(&running).await;
        assert_eq!(running[first].controller.ask(None, pool()).await, Ok(Outcome::Done));
        for n in 0..20 {
            let answer = running[first].controller.ask(None, submit(&format!("run-{n}"), "a body")).await;
            assert!(matches!(answer, Ok(Outcome::Submitted { known: false, .. })), "{answer:?}");
        }
        for one in &running {
            assert_eq!(names(one).await.len(), 20);
        }
        // Who does not lead says so.
        let other = (first + 1) % 3;
        let refused = running[other].controller.ask(None, pool()).await;
        assert_eq!(refused, Err(Refusal::NotLeader));

        // The leader goes; the others go on.
        let gone = running.remove(first);
        let id = gone.controller.membership().id;
        gone.stop().await;
        let second = leader(&running).await;
        let key = Some(RequestKey([7; 16]));
        let invite = running[second].controller.invite(key, true, Some(ControllerId(id))).await.unwrap();
        let same = running[second].controller.invite(key, true, Some(ControllerId(id))).await.unwrap();
        assert_eq!((invite.id, same.id), (4, 4), "a key asks for the same thing again");
        for n in 20..40 {
            let answer = running[second].controller.ask(None, submit(&format!("run-{n}"), "a body")).await;
            assert!(matches!(answer, Ok(Outcome::Submitted { known: false, .. })), "{answer:?}");
        }
        // Another one joins in the place of the one that is gone.
        let data = temp.path().join("c4");
        running.push(begin(&data, &invite, addresses[3], limits()).await);
        has_replaced(&running[2], 4, id).await;
        assert_eq!(names(&running[2]).await.len(), 40);
        in_history(&running[2], 40).await;

        // The old one comes back, and is told that it is no longer of the cluster.
        let at = addresses[id as usize - 1];
        let old = again(&temp.path().join(format!("c{id}")), at, limits()).await;
        tokio::time::timeout(PATIENCE, old.removed.happened()).await.expect("it is told");
        old.stop().await;
        for one in running {
            one.stop().await;
        }
    });
}
