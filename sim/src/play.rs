//! Playing one seed: faults and safety first, then healing and liveness.

use crate::clock::Micros;
use crate::coverage::{Coverage, Mark};
use crate::faults::FaultKind;
use crate::liveness;
use crate::options::Options;
use crate::verdict::Verdict;
use crate::world::World;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How long everything may take to come to rest.
const REST: Micros = Micros::seconds(1900);
/// No play from which nothing was left out is shorter.
const SHORTEST: Micros = Micros::seconds(600);
/// No play from which nothing was left out has clients ask for less.
const FEWEST_COMMANDS: usize = 200;

/// What came of a play.
#[derive(Clone, Debug)]
pub struct Played {
    /// Its seed.
    pub seed: u64,
    /// What was left out, or switched on.
    pub options: Options,
    /// How it ended.
    pub verdict: Verdict,
    /// The options that were drawn, in words.
    pub drawn: String,
    /// The hash of all that happened, in order: the same whenever and wherever this seed is played.
    pub trace_hash: u64,
    /// How much virtual time went by.
    pub virtual_time: Micros,
    /// How many events there were.
    pub events: u64,
    /// How many requests clients made, reads and repeated ones with them.
    pub requests: u64,
    /// How many commands clients asked for while things failed: neither reads nor what was said again.
    pub commands: u64,
    /// How many entries were committed.
    pub entries: u64,
    /// What it came to.
    pub coverage: Coverage,
    /// The faults that were to happen, by number.
    pub faults: Vec<(u32, FaultKind)>,
    /// The numbers of the requests that were to be made.
    pub planned: Vec<u32>,
    /// The log, if it was asked for.
    pub log: Vec<String>,
}

/// Plays a seed from its beginning to its verdict. The same seed and options give the same play, always.
pub fn play(seed: u64, options: &Options) -> Played {
    with_mutant(options, || play_plainly(seed, options))
}

#[cfg(feature = "mutants")]
fn with_mutant<T>(options: &Options, play: impl FnOnce() -> T) -> T {
    tidegate_scheduler::mutants::with(options.mutant, play)
}

#[cfg(not(feature = "mutants"))]
fn with_mutant<T>(_: &Options, play: impl FnOnce() -> T) -> T {
    play()
}

fn play_plainly(seed: u64, options: &Options) -> Played {
    let mut world = World::new(seed, options);
    let verdict = match catch_unwind(AssertUnwindSafe(|| judge(&mut world, options))) {
        Ok(verdict) => verdict,
        Err(payload) => Verdict::Crashed { message: message(&*payload) },
    };
    world.history.mix(&[world.reference.state().hash()]);
    Played {
        seed,
        options: options.clone(),
        verdict,
        drawn: world.swarm.to_string(),
        trace_hash: world.history.hash(),
        virtual_time: world.now(),
        events: world.engine.happened(),
        requests: world.requests.len() as u64,
        commands: world.commands.len() as u64,
        entries: world.reference.index(),
        coverage: world.coverage,
        faults: world.faults.iter().map(|fault| (fault.number, fault.kind)).collect(),
        planned: world.planned.iter().map(|planned| planned.number).collect(),
        log: world.history.into_lines(),
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

fn judge(world: &mut World, options: &Options) -> Verdict {
    world.begin();
    world.run_until(world.swarm.safety);
    if world.found.is_empty() {
        world.heal();
    }
    let mut stuck = if world.found.is_empty() { rest(world, liveness::all()) } else { Vec::new() };
    if world.found.is_empty()
        && stuck.is_empty()
        && let Some(force) = world.swarm.drains
    {
        world.drain(force);
        stuck = rest(world, liveness::drained());
    }
    if world.found.is_empty() && stuck.is_empty() {
        world.compare_all();
        world.found.extend(too_short(world, options));
    }
    match (world.found.is_empty(), stuck.is_empty()) {
        (false, _) => Verdict::Wrong { broken: std::mem::take(&mut world.found) },
        (true, false) => Verdict::Stuck { what: stuck },
        (true, true) => Verdict::Kept,
    }
}

/// A play proves too little if little happens in it.
fn too_short(world: &World, options: &Options) -> Option<String> {
    let (commands, safety) = (world.commands.len(), world.swarm.safety);
    let short = commands < FEWEST_COMMANDS || safety < SHORTEST;
    (short && options.skip_requests.is_empty()).then(|| {
        format!(
            "a play is long enough: clients asked for {commands} commands within {safety:?}; {FEWEST_COMMANDS} \
             within {SHORTEST:?} are the least"
        )
    })
}

/// Lets everything come to rest; what does not in time, and has no reason, is told.
fn rest(world: &mut World, mut demands: Vec<Box<dyn liveness::Demand>>) -> Vec<String> {
    let healed = world.now();
    while world.now().since(healed) < REST {
        world.run_until(world.now().after(Micros::seconds(1)));
        if !world.found.is_empty() {
            return Vec::new();
        }
        let mut all = true;
        for demand in &mut demands {
            let Some(missing) = demand.missing(world, healed) else { continue };
            all = false;
            if world.now().since(healed.max(demand.since())) <= demand.within() {
                continue;
            }
            return match demand.justified(world) {
                None => vec![missing],
                Some(_) => {
                    world.coverage.mark(Mark::StallJustified);
                    Vec::new()
                }
            };
        }
        if all {
            return Vec::new();
        }
    }
    vec!["rest: the play does not come to its end".into()]
}

impl Played {
    /// The one command that plays this again.
    pub fn replay_command(&self) -> String {
        format!("tidegate sim replay --seed {}{}", self.seed, self.options.arguments())
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.verdict.is_kept() {
            return write!(f, "seed {}: {}, trace {:016x}", self.seed, self.verdict, self.trace_hash);
        }
        writeln!(f, "{}", self.verdict)?;
        writeln!(f, "  at {:?} of virtual time, entry {}", self.virtual_time, self.entries)?;
        writeln!(f, "{}", self.drawn)?;
        write!(
            f,
            "TIDEGATE_SEED={} exit {}, replay with: {}",
            self.seed,
            self.verdict.exit_code(),
            self.replay_command()
        )
    }
}
