//! Linearizable reads: a read is answered once the local state holds all that was committed before it came.
//! One question at a time is on its way to the leader; reads that come meanwhile share the next one.

use super::Core;
use crate::effect::Effect;
use crate::ids::ClientToken;
use crate::mutants::{self, Mutant};
use crate::time::{Millis, Moment};

/// A question may be lost, or come to one that does not lead any more: then it is asked again.
const ASK_AGAIN: Millis = Millis(150);

/// Reads that wait.
pub(crate) struct Reads {
    /// Told apart from those of other members and of this one's earlier lives.
    salt: [u8; 24],
    number: u64,
    waiting: Vec<ClientToken>,
    asked: Option<Asked>,
    /// Answered: wait for this index to be applied.
    found: Vec<(u64, Vec<ClientToken>)>,
}

struct Asked {
    context: Vec<u8>,
    tokens: Vec<ClientToken>,
    again: Millis,
    term: u64,
}

impl Reads {
    pub(super) fn new(id: u64, moment: Moment) -> Reads {
        let mut salt = [0; 24];
        for (part, number) in salt.chunks_exact_mut(8).zip([id, moment.wall.0, moment.elapsed.0]) {
            part.copy_from_slice(&number.to_be_bytes());
        }
        Reads { salt, number: 0, waiting: Vec::new(), asked: None, found: Vec::new() }
    }

    pub(super) fn ask_again_at(&self) -> Option<Millis> {
        self.asked.as_ref().map(|asked| asked.again)
    }

    pub(super) fn found(&mut self, answers: Vec<(u64, Vec<u8>)>) {
        for (index, context) in answers {
            if let Some(asked) = self.asked.take_if(|asked| asked.context == context) {
                self.found.push((index, asked.tokens));
            }
        }
    }
}

impl Core {
    pub(crate) fn read(&mut self, token: ClientToken) {
        self.reads.waiting.push(token);
    }

    /// Asks for what waits, if nothing was asked yet, or asks again.
    /// Tells whether it asked raft.
    pub(super) fn ask_reads(&mut self) -> bool {
        let (now, term) = (self.moment.elapsed, self.consensus.term());
        if let Some(asked) = self.reads.asked.take_if(|asked| asked.again <= now || asked.term != term) {
            self.reads.waiting.splice(0..0, asked.tokens);
        }
        if self.reads.waiting.is_empty() || self.reads.asked.is_some() {
            return false;
        }
        if mutants::is(Mutant::StaleRead) && self.consensus.leads() {
            let tokens = std::mem::take(&mut self.reads.waiting);
            self.reads.found.push((self.state.applied(), tokens));
            return true;
        }
        self.reads.number += 1;
        let mut context = self.reads.salt.to_vec();
        context.extend(self.reads.number.to_be_bytes());
        let tokens = std::mem::take(&mut self.reads.waiting);
        let again = now.after(ASK_AGAIN);
        self.reads.asked = Some(Asked { context: context.clone(), tokens, again, term });
        self.consensus.read(context);
        true
    }

    pub(super) fn answer_reads(&mut self) {
        let applied = self.state.applied();
        for (_, tokens) in self.reads.found.extract_if(.., |(index, _)| *index <= applied) {
            let readable = tokens.into_iter().map(|token| Effect::Readable { token });
            self.effects.extend(readable);
        }
    }
}
