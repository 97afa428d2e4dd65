//! What clients ask for, drawn before the play begins, so that a part of it can be left out.

mod draw;

pub use draw::plan;

use crate::clock::Micros;
use crate::random::Random;
use crate::worker::Fate;
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::ids::{Fence, RequestKey};
use tidegate_scheduler::message::{Assignment, End};

/// What a client does.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Asks for something.
    Command {
        /// The same for the same thing.
        key: RequestKey,
        /// What.
        command: ClientCommand,
    },
    /// Reads what was committed before.
    Read,
    /// Takes a controller out of the group: which one is found when it is asked.
    Remove {
        /// Chooses.
        dice: u64,
    },
    /// Gives leadership to another one.
    Transfer {
        /// Chooses.
        dice: u64,
    },
}

/// One thing that a client does at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Its number, from 0.
    pub number: u32,
    /// When.
    pub at: Micros,
    /// Who.
    pub client: u64,
    /// What.
    pub ask: Ask,
}

/// What kinds of things clients ask for, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// How many clients there are.
    pub clients: u64,
    /// How many commands they ask for at least while things fail: reads, and what is said again, come on top.
    pub commands: u64,
    /// How many pools there are.
    pub pools: u64,
    /// No more nodes in a pool.
    pub max_instances: u64,
    /// How many VM families they are of.
    pub families: u64,
    /// The most elements of a run.
    pub elements_max: u64,
    /// How long a command runs, on average.
    pub run_mean: Micros,
    /// Of a million commands so many fail.
    pub fails: u32,
    /// Of a million requests so many are said twice, at once or later.
    pub again: u32,
    /// Of a million moments so many bring many submissions of one shape at once.
    pub storms: u32,
    /// Of a million requests so many change a quota.
    pub quotas: u32,
    /// Of a million requests so many change or delete a pool.
    pub pool_changes: u32,
    /// Of a million requests so many cancel or retry something.
    pub cancels: u32,
    /// Of a million requests so many are nonsense: what fits nowhere, names that are taken or no names.
    pub nonsense: u32,
    /// How many teams there are.
    pub teams: u64,
    /// Of a million runs so many are a team's.
    pub of_teams: u32,
    /// Of a million runs so many wait for others.
    pub after: u32,
    /// Of a million runs so many let only some of their elements run at once.
    pub capped: u32,
    /// Of a million runs so many have any priority, and not one of three.
    pub priorities: u32,
    /// Of a million pools so many are strict.
    pub strict: u32,
    /// Of a million pools so many are a team's.
    pub team_pools: u32,
    /// Of a million allowances so many are more than a plain limit of a region or of the workspace.
    pub trees: u32,
    /// Of a million requests so many change how many runs the workspace may have.
    pub run_limits: u32,
    /// Of a million requests so many are reads.
    pub reads: u32,
    /// Somebody reads again and again, so often; never for 0.
    pub watch_every: Micros,
    /// Of a million requests so many change who is a controller, or who leads.
    pub membership: u32,
}

impl Mix {
    /// Draws one.
    pub fn draw(random: &mut Random) -> Mix {
        let mut sometimes = |most: u64| match random.flip() {
            true => random.between(0..=most) as u32,
            false => 0,
        };
        let [again, storms, quotas] = [200_000, 20_000, 80_000].map(&mut sometimes);
        let [pool_changes, cancels, nonsense] = [80_000, 200_000, 80_000].map(&mut sometimes);
        let membership = sometimes(30_000);
        let fails = sometimes(400_000);
        let [of_teams, after, capped] = [1_000_000, 400_000, 500_000].map(&mut sometimes);
        let [priorities, strict, team_pools] = [1_000_000, 1_000_000, 1_000_000].map(&mut sometimes);
        let [trees, run_limits] = [1_000_000, 40_000].map(&mut sometimes);
        Mix {
            clients: random.between(1..=6),
            commands: random.between(200..=300),
            pools: random.between(1..=3),
            max_instances: random.between(1..=6),
            families: random.between(1..=2),
            elements_max: random.scale(1..=40),
            run_mean: Micros::millis(random.scale(200..=60_000)),
            fails,
            again,
            storms,
            quotas,
            pool_changes,
            cancels,
            nonsense,
            teams: random.between(1..=3),
            of_teams,
            after,
            capped,
            priorities,
            strict,
            team_pools,
            trees,
            run_limits,
            reads: random.between(20_000..=250_000) as u32,
            watch_every: Micros::millis([0, 0, 200, 1000][random.below(4) as usize]),
            membership,
        }
    }

    /// What becomes of an attempt: drawn from its fencing number, whoever runs it and whenever.
    pub fn fate(&self, seed: u64, assignment: &Assignment) -> Fate {
        let Fence(number) = assignment.fence;
        let mut random = Random::stream(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15), "fate");
        let prepare = Micros::millis(random.between(1..=400));
        let finalize = Micros::millis(random.between(1..=200));
        let run = match random.below(20) {
            0..=2 => Micros(0),
            3 => Micros(random.exponential(self.run_mean.0.saturating_mul(8))),
            _ => Micros(random.exponential(self.run_mean.0)),
        };
        let end = match random.chance(self.fails) {
            false => End::Succeeded,
            true => match random.below(10) {
                0..=4 => End::Exited { code: 1 + random.below(100) as i32 },
                5 => End::Signaled { signal: 9, out_of_memory: random.flip() },
                6 => End::TimedOut,
                7 => End::CannotStart { reason: "no such program".into() },
                8 => End::Stopped,
                _ => End::System { reason: "the preparation of ours broke".into() },
            },
        };
        Fate { prepare, run, finalize, end }
    }
}
