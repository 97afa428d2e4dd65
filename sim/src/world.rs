//! The simulated world: controllers with their disks and clocks, machines with workers, a cloud and clients, and
//! the network between them, moved by one engine on one thread.

mod controllers;
mod effects;
mod felt;
mod happening;
mod healing;
mod injections;
mod links;
mod machines;
mod membership;
mod observe;
mod poison;
mod requests;
mod snapshots;

pub(crate) use happening::ToController;
pub(crate) use machines::Machine;
pub(crate) use requests::Request;

use crate::checkers::one_leader_a_term::OneLeaderATerm;
use crate::checkers::silence_is_real::SilenceIsReal;
use crate::checkers::vms_are_known::VmsAreKnown;
use crate::clock::Micros;
use crate::cloud::Cloud;
use crate::controller::Controller;
use crate::coverage::Coverage;
use crate::engine::Engine;
use crate::faults::{self, Fault};
use crate::history::History;
use crate::liveness::{Demand, NothingAdmissibleIdles};
use crate::network::{Network, Place};
use crate::options::Options;
use crate::random::Random;
use crate::reference::Reference;
use crate::swarm::Swarm;
use crate::workload::{self, Planned};
use happening::{Call, Happening};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegate_scheduler::consensus::{Members, PeerMessage};
use tidegate_scheduler::ids::{ClientToken, RequestKey};

/// For how long a leader must have led to have seen to everything.
const STEADY: Micros = Micros::seconds(25);

/// All of it.
pub(crate) struct World {
    pub(crate) swarm: Swarm,
    pub(crate) engine: Engine<Happening>,
    pub(crate) network: Network,
    pub(crate) controllers: BTreeMap<u64, Controller>,
    pub(crate) cloud: Cloud,
    pub(crate) machines: BTreeMap<u64, Machine>,
    pub(crate) requests: Vec<Request>,
    pub(crate) reference: Reference,
    pub(crate) history: History,
    pub(crate) coverage: Coverage,
    /// What was found broken; the play ends with the first.
    pub(crate) found: Vec<String>,
    /// What this world draws besides what its parts draw.
    pub(crate) random: Random,
    pub(crate) planned: Vec<Planned>,
    /// The commands that clients have asked for while things failed, by key: each counts once.
    pub(crate) commands: BTreeSet<RequestKey>,
    pub(crate) faults: Vec<Fault>,
    /// Who gave leadership away last, when, and whether a fault had it done.
    transferring: Option<(u64, Micros, bool)>,
    /// Controllers that are to be replaced, by whom, and whether the first was well.
    replacements: Vec<(u64, u64, bool)>,
    /// Requests that wait for a core, and who asked.
    calls: BTreeMap<ClientToken, (Call, u64)>,
    /// The newest entry that a client knew of when a read began.
    floors: BTreeMap<ClientToken, u64>,
    /// The newest read of who reads again and again.
    watched: Option<usize>,
    /// Whom each client asks next: who answered it last.
    favourites: BTreeMap<Place, u64>,
    next_token: u64,
    next_link: u64,
    cloud_at: Option<Micros>,
    one_leader: OneLeaderATerm,
    pub(crate) silence: SilenceIsReal,
    /// A few messages between controllers of long ago, to be said again.
    old_messages: VecDeque<PeerMessage>,
    pub(crate) vms: VmsAreKnown,
    /// Looks, also while things fail, whether something is forgotten.
    idles: NothingAdmissibleIdles,
    steady: Option<(u64, u32, Micros)>,
    /// Who is a member, by the newest entry that anybody has applied.
    pub(crate) members: Members,
    /// The newest few, oldest first.
    recent_members: Vec<Members>,
    /// The second phase: what still fails does so for ever, and nothing new does.
    pub(crate) healed: bool,
    /// Those that must come to rest, once healed.
    pub(crate) core: BTreeSet<u64>,
}

impl World {
    /// A world before its first moment.
    pub(crate) fn new(seed: u64, options: &Options) -> World {
        let swarm = Swarm::draw(seed, &options.without);
        let founders: Vec<u64> = (1..=swarm.founders).collect();
        let mut planned = workload::plan(seed, &swarm.mix, swarm.safety);
        planned.retain(|planned| !options.skip_requests.contains(&planned.number));
        let mut faults = faults::schedule(seed, &swarm.gaps, swarm.safety);
        faults.retain(|fault| !options.skip_faults.contains(&fault.number));
        World {
            engine: Engine::default(),
            network: Network::new(swarm.quality, Random::stream(seed, "network")),
            controllers: BTreeMap::new(),
            cloud: Cloud::new(swarm.cloud, Random::stream(seed, "cloud")),
            machines: BTreeMap::new(),
            requests: Vec::new(),
            reference: Reference::new(&founders, swarm.limits.clone()),
            history: History::new(options.log),
            coverage: Coverage::default(),
            found: Vec::new(),
            random: Random::stream(seed, "world"),
            planned,
            commands: BTreeSet::new(),
            faults,
            transferring: None,
            replacements: Vec::new(),
            calls: BTreeMap::new(),
            floors: BTreeMap::new(),
            favourites: BTreeMap::new(),
            watched: None,
            next_token: 0,
            next_link: 0,
            cloud_at: None,
            one_leader: OneLeaderATerm::default(),
            silence: SilenceIsReal::default(),
            old_messages: VecDeque::new(),
            vms: VmsAreKnown::default(),
            idles: NothingAdmissibleIdles::default(),
            steady: None,
            members: Members::of(&founders),
            recent_members: vec![Members::of(&founders)],
            healed: false,
            core: BTreeSet::new(),
            swarm,
        }
    }

    /// Starts the controllers, and lays out what is planned.
    pub(crate) fn begin(&mut self) {
        let founders: Vec<u64> = (1..=self.swarm.founders).collect();
        founders.iter().for_each(|id| self.add_controller(*id));
        founders.iter().for_each(|id| self.start(*id));
        if let Some(first) = self.planned.first() {
            self.engine.at(first.at, Happening::Planned { at: 0 });
        }
        for (at, fault) in self.faults.iter().enumerate() {
            self.engine.at(fault.at, Happening::Fault { at });
        }
        self.engine.after(Micros::seconds(1), Happening::Second);
        self.watch();
    }

    /// The time.
    pub(crate) fn now(&self) -> Micros {
        self.engine.now()
    }

    /// Writes a line of the log.
    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        self.history.say(self.engine.now(), line);
    }

    /// Lets things happen up to a moment, or until something is found broken.
    pub(crate) fn run_until(&mut self, end: Micros) {
        while self.found.is_empty() {
            let Some(happening) = self.engine.next(end) else { return };
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Controller { to, what } => self.reach_controller(to, what),
            Happening::Machine { machine, what } => self.reach_machine(machine, what),
            Happening::Cloud => self.advance_cloud(),
            Happening::Request { number, step } => self.step_request(number, step),
            Happening::Restart { controller } => self.restart(controller),
            Happening::Resume { controller, life } => self.resume(controller, life),
            Happening::Stop { controller, life } => self.stop(controller, life),
            Happening::Planned { at } => self.ask_planned(at),
            Happening::Watch => self.watch(),
            Happening::Fault { at } => self.begin_fault(at),
            Happening::FaultEnds { at } => self.end_fault(at),
            Happening::Second => self.second(),
        }
    }

    /// What is looked at each second.
    fn second(&mut self) {
        let now = self.now();
        let leader = self.leader().map(|id| (id, self.controllers[&id].life));
        self.vms.look(now, leader, self.reference.state(), &self.cloud, &mut self.coverage);
        self.found.extend(self.vms.broken(now));
        if (now.0 / 1_000_000).is_multiple_of(15) {
            self.exchange_cards();
        }
        self.look_for_idlers(leader);
        self.tend_replacements();
        self.tend_upgrades();
        self.engine.after(Micros::seconds(1), Happening::Second);
    }

    /// Under a leader that has led for a while nothing may be forgotten, whatever fails meanwhile.
    fn look_for_idlers(&mut self, leader: Option<(u64, u32)>) {
        let now = self.now();
        self.steady = leader.map(|(id, life)| match self.steady {
            Some((known, lived, since)) if (known, lived) == (id, life) => (id, life, since),
            _ => (id, life, now),
        });
        let since = self.steady.map_or(now, |(_, _, since)| since);
        let mut idles = std::mem::take(&mut self.idles);
        let missing = idles.missing(self, now);
        self.idles = idles;
        if now.since(since) > STEADY {
            self.found.extend(missing);
        }
    }

    /// Who leads, if one does that is up; of several the one of the latest term.
    pub(crate) fn leader(&self) -> Option<u64> {
        let leading =
            self.controllers.iter().filter(|(_, controller)| controller.is_up() && controller.leads());
        let term = |controller: &Controller| controller.core.as_ref().map_or(0, |core| core.term());
        leading.max_by_key(|(_, controller)| term(controller)).map(|(id, _)| *id)
    }

    pub(crate) fn place_of(client: u64) -> Place {
        Place::Client(client)
    }
}
