//! One fault, from when it comes until it is undone.

use std::{thread, time::Duration};

use anyhow::{Context, Result};
use rand::{Rng, rngs::StdRng};
use tidegate_tests::{
    Replicas,
    faults::{ClientModel, Hosts},
};

/// Acknowledged while a fault is there, at least: a majority goes on.
const MORE: usize = 3;

/// What happens, to whom: a controller or a worker by its number among them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// A controller is killed.
    Kill(Who),
    /// A controller is stopped as its supervisor would.
    Restart(Who),
    /// A controller stands still.
    Pause(Who),
    /// A controller is cut off in both directions.
    CutOff(Who),
    /// A controller is heard by nobody.
    Unheard(Who),
    /// A controller hears nobody.
    Deaf(Who),
    /// A controller does not reach the other controllers, but the workers.
    CutFromPeers(Who),
    /// A worker is cut off, for less time than it takes to give it up.
    CutWorker(usize),
    /// All packets arrive late, and some do not.
    SlowNetwork {
        /// Of a thousand.
        lost: u32,
        /// On each way, in milliseconds.
        late: u64,
    },
    /// A controller's disk is full.
    FullDisk(Who),
    /// A controller's clock jumps, by so many seconds.
    Clock(Who, i32),
    /// Leadership is given away.
    Transfer,
}

/// Which controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// The one that leads then.
    Leader,
    /// The one so many places after it.
    Follower(usize),
}

impl Fault {
    /// Any of them.
    pub(crate) fn draw(chance: &mut StdRng, controllers: usize, workers: usize) -> Fault {
        let who = match chance.random_bool(0.6) {
            true => Who::Leader,
            false => Who::Follower(chance.random_range(1..controllers)),
        };
        match chance.random_range(0..12) {
            0 => Fault::Kill(who),
            1 => Fault::Restart(who),
            2 => Fault::Pause(who),
            3 => Fault::CutOff(who),
            4 => Fault::Unheard(who),
            5 => Fault::Deaf(who),
            6 => Fault::CutFromPeers(who),
            7 => Fault::CutWorker(chance.random_range(0..workers)),
            8 => Fault::SlowNetwork { lost: chance.random_range(0..80), late: chance.random_range(0..60) },
            9 => Fault::FullDisk(who),
            10 => Fault::Clock(who, chance.random_range(-40_000..40_000)),
            _ => Fault::Transfer,
        }
    }

    /// Makes it, lets it last while the clients go on, and undoes it. What is left is a cluster that may still be finding
    /// its leader.
    pub(crate) fn happen(self, replicas: &mut Replicas, model: &ClientModel, lasts: Duration) -> Result<()> {
        let leader = replicas.leader()?.at;
        let count = replicas.count();
        let place = |who: Who| match who {
            Who::Leader => leader,
            Who::Follower(after) => (leader + after) % count,
        };
        let go_on = || {
            thread::sleep(lasts);
            model.wait_for_more(MORE)
        };
        match self {
            Fault::Kill(who) => {
                replicas.kill(place(who))?;
                go_on()?;
                replicas.start(place(who))?;
                replicas.wait_for_all()?;
            }
            Fault::Restart(who) => {
                let status = replicas.stop(place(who))?;
                anyhow::ensure!(status.success(), "it ended with {status}");
                go_on()?;
                replicas.start(place(who))?;
                replicas.wait_for_all()?;
            }
            Fault::Pause(who) => {
                let paused = replicas.pause(place(who))?;
                go_on()?;
                paused.resume()?;
            }
            Fault::CutOff(who) => during_cut(replicas, |hosts| hosts.cut_off(place(who)), go_on)?,
            Fault::Unheard(who) => {
                let cut = |hosts: &Hosts| hosts.cut_one_way(&[place(who)], &hosts.others(place(who)));
                during_cut(replicas, cut, go_on)?;
            }
            Fault::Deaf(who) => {
                let cut = |hosts: &Hosts| hosts.cut_one_way(&hosts.others(place(who)), &[place(who)]);
                during_cut(replicas, cut, go_on)?;
            }
            Fault::CutFromPeers(who) => {
                let peers: Vec<usize> = (0..count).filter(|at| *at != place(who)).collect();
                during_cut(replicas, |hosts| hosts.cut(&[place(who)], &peers), go_on)?;
            }
            Fault::CutWorker(worker) => during_cut(replicas, |hosts| hosts.cut_off(count + worker), go_on)?,
            Fault::SlowNetwork { lost, late } => {
                let hosts = hosts(replicas)?;
                hosts.set_loss(lost)?;
                hosts.set_delay(Duration::from_millis(late))?;
                go_on()?;
                hosts.set_delay(Duration::ZERO)?;
                hosts.set_loss(0)?;
            }
            Fault::FullDisk(who) => full_disk(replicas, place(who), place(Who::Follower(1)), model, lasts)?,
            Fault::Clock(who, ahead) => {
                replicas.clock(place(who))?.set(f64::from(ahead))?;
                go_on()?;
            }
            Fault::Transfer => {
                let to = replicas.id(place(Who::Follower(1))).to_string();
                replicas.wait_for_all()?;
                replicas.tidegate(leader, &["controller", "lead", &to])?.succeeded()?;
                go_on()?;
            }
        }
        Ok(())
    }
}

/// Fills a disk, and empties it. A leader whose disk is full accepts nothing: another one is given leadership.
fn full_disk(
    replicas: &mut Replicas,
    at: usize,
    next: usize,
    model: &ClientModel,
    lasts: Duration,
) -> Result<()> {
    replicas.wait_for_all()?;
    replicas.disk(at)?.fill()?;
    thread::sleep(lasts);
    if replicas.leader()?.at == at {
        let to = replicas.id(next).to_string();
        replicas.tidegate(at, &["controller", "lead", &to])?.succeeded()?;
    }
    model.wait_for_more(MORE)?;
    replicas.disk(at)?.empty()
}

fn hosts(replicas: &Replicas) -> Result<&Hosts> {
    replicas.hosts().context("they are in hosts")
}

fn during_cut(
    replicas: &Replicas,
    cut: impl FnOnce(&Hosts) -> Result<()>,
    go_on: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let hosts = hosts(replicas)?;
    cut(hosts)?;
    go_on()?;
    hosts.heal()
}
