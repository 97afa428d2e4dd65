//! A core's life as values: what it was started from, all that it was told, and what came of it. Fed to another core
//! they must give the same effects and the same state, on any machine and in any build of one release.

use crate::consensus::Restored;
use crate::core::{Core, Member};
use crate::effect::Effect;
use crate::input::Input;
use crate::limits::Limits;
use crate::loaded::Loaded;
use crate::time::Moment;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One line of a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Recorded {
    /// A core was made.
    Start(Box<Start>),
    /// It was told something.
    Step {
        /// When.
        moment: Moment,
        /// What.
        input: Input,
    },
    /// What came of all that it was told since the last such line.
    Did(Did),
    /// Its state.
    State {
        /// The last entry in it.
        applied: u64,
        /// `State::hash`.
        hash: u64,
    },
}

/// What a core is made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// Who it is.
    pub member: Member,
    /// The state that was read back.
    pub loaded: Loaded,
    /// What consensus starts from.
    pub restored: Restored,
    /// Its bounds.
    pub limits: Limits,
    /// When.
    pub moment: Moment,
}

/// Effects, summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Did {
    /// How many there were.
    pub effects: u64,
    /// FNV-1a over all of them, in order.
    pub hash: u64,
}

impl Default for Did {
    fn default() -> Self {
        Did { effects: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Did {
    /// Takes one effect in.
    pub fn add(&mut self, effect: &Effect) {
        let bytes = rmp_serde::to_vec(effect).expect("every type of Effect can be encoded");
        self.effects += 1;
        self.hash = bytes
            .iter()
            .fold(self.hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    }
}

/// A replay went another way than what was recorded.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Diverged {
    /// Something was told before a core was made.
    #[error("line {line}: the record does not begin with what a core is made from")]
    NoStart {
        /// Which line.
        line: u64,
    },
    /// The core cannot be made.
    #[error("line {line}: the core cannot be made: {reason}")]
    Start {
        /// Which line.
        line: u64,
        /// Why.
        reason: String,
    },
    /// Other effects.
    #[error("line {line}: {is:?} where {was:?} was recorded")]
    Effects {
        /// Which line.
        line: u64,
        /// What the replay did.
        is: Did,
        /// What was recorded.
        was: Did,
    },
    /// Another state.
    #[error(
        "line {line}: the state at entry {applied} hashes to {is:016x}; {was:016x} was recorded at entry {recorded}"
    )]
    State {
        /// Which line.
        line: u64,
        /// How far the replay has come.
        applied: u64,
        /// Its hash.
        is: u64,
        /// How far the record had come.
        recorded: u64,
        /// The hash recorded.
        was: u64,
    },
}

/// A replay.
#[derive(Default)]
pub struct Replay {
    core: Option<Core>,
    did: Did,
    lines: u64,
    steps: u64,
    effects: u64,
    states: u64,
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Inputs.
    pub steps: u64,
    /// Effects, all as recorded.
    pub effects: u64,
    /// States compared, all as recorded.
    pub states: u64,
    /// The last entry applied.
    pub applied: u64,
}

impl Replay {
    /// Plays the next line, and compares.
    pub fn play(&mut self, line: Recorded) -> Result<(), Diverged> {
        self.lines += 1;
        let at = self.lines;
        match line {
            Recorded::Start(start) => {
                let Start { member, loaded, restored, limits, moment } = *start;
                let core = Core::new(&member, loaded, restored, limits, moment)
                    .map_err(|error| Diverged::Start { line: at, reason: error.to_string() })?;
                self.core = Some(core);
                self.did = Did::default();
                self.drain();
                Ok(())
            }
            Recorded::Step { moment, input } => {
                self.core.as_mut().ok_or(Diverged::NoStart { line: at })?.step(moment, input);
                self.steps += 1;
                self.drain();
                Ok(())
            }
            Recorded::Did(was) => match std::mem::take(&mut self.did) {
                is if is == was => Ok(()),
                is => Err(Diverged::Effects { line: at, is, was }),
            },
            Recorded::State { applied: recorded, hash: was } => {
                let core = self.core.as_ref().ok_or(Diverged::NoStart { line: at })?;
                let (applied, is) = (core.state().applied(), core.state().hash());
                self.states += 1;
                match applied == recorded && is == was {
                    true => Ok(()),
                    false => Err(Diverged::State { line: at, applied, is, recorded, was }),
                }
            }
        }
    }

    fn drain(&mut self) {
        let Some(core) = &mut self.core else { return };
        while let Some(effect) = core.poll_effect() {
            self.did.add(&effect);
            self.effects += 1;
        }
    }

    /// How far it has come.
    pub fn so_far(&self) -> Replayed {
        let applied = self.core.as_ref().map_or(0, |core| core.state().applied());
        Replayed { steps: self.steps, effects: self.effects, states: self.states, applied }
    }
}
