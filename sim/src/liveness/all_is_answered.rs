//! L2: every request is answered.

use super::Demand;
use crate::clock::Micros;
use crate::world::World;

/// L2.
pub(super) struct AllIsAnswered;

impl Demand for AllIsAnswered {
    fn within(&self) -> Micros {
        // Clients ask at random, also those that stay dead: most of seven, for ever.
        Micros::seconds(180)
    }

    fn missing(&mut self, world: &World, _: Micros) -> Option<String> {
        let open: Vec<_> = world.requests.iter().filter(|request| !request.answered).collect();
        let first = open.first()?;
        Some(format!("L2 answers: {} requests are not answered, such as {}", open.len(), first.words()))
    }
}
