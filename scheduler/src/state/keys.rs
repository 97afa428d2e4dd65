//! Answers to requests that carried a key: asking again, also of another leader, gives the same answer.

use crate::command::ClientCommand;
use crate::effect::Outcome;
use crate::ids::RequestKey;
use crate::limits::agreed;
use crate::mutants::{self, Mutant};
use crate::pages::PageMap;
use crate::refusal::Refusal;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

type Answer = Result<Outcome, Refusal>;

/// How many old answers one entry drops at most, beside twice as many as it may add.
const DROPPED_AT_ONCE: usize = 64;

/// The answers of the last 24 hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Keys {
    answers: PageMap<RequestKey, Known>,
    by_age: PageMap<(Millis, RequestKey), ()>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    digest: u64,
    answer: Answer,
}

impl Keys {
    /// The answer that this key got; a refusal if it asked for something else.
    pub fn answer(&self, key: RequestKey, digest: u64) -> Option<Answer> {
        let known = self.answers.get(&key)?;
        Some(if known.digest == digest { known.answer.clone() } else { Err(Refusal::KeyReused) })
    }

    /// Remembers an answer.
    pub fn remember(&mut self, key: RequestKey, digest: u64, now: Millis, answer: Answer) {
        if mutants::is(Mutant::ForgetKeys) {
            return;
        }
        self.answers.insert(key, Known { digest, answer });
        self.by_age.insert((now, key), ());
    }

    /// Drops what is older than 24 hours, and the oldest beyond the bound; `news` is how many may be added next.
    pub fn expire(&mut self, now: Millis, news: usize) {
        for _ in 0..DROPPED_AT_ONCE + 2 * news {
            let oldest = self.by_age.iter().next().map(|(oldest, ())| oldest);
            let full = self.by_age.len() + news > agreed::KEYS;
            let due = |(at, _): &(Millis, RequestKey)| full || at.after(agreed::KEYS_KEPT) <= now;
            let Some((at, key)) = oldest.filter(due) else { return };
            self.by_age.remove(&(at, key));
            self.answers.remove(&key);
        }
    }

    /// How many answers are remembered.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

/// What tells two requests apart: FNV-1a over the encoded command.
pub fn digest(command: &ClientCommand) -> u64 {
    let bytes = rmp_serde::to_vec(command).expect("every type of ClientCommand can be encoded");
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
