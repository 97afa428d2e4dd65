//! What an agent finds on disk of the one before it.

use std::sync::Arc;

use super::{Assignment, Attempt, Attempts, Fence, Kept, Moment, Record, Stage};

/// An attempt's folder as it was found.
#[derive(Debug)]
pub(crate) enum Recovered {
    /// It was prepared; the keeper knows whether it was started.
    Prepared(Box<Record>),
    /// It has ended, and its report is in its folder.
    Reported(Box<Assignment>),
}

impl Attempts {
    /// Takes up what was found, before anything else happens.
    pub(crate) fn on_recovered(&mut self, now: Moment, found: Vec<(Fence, Recovered)>) {
        self.now = now;
        for (fence, recovered) in found {
            let attempt = match recovered {
                Recovered::Prepared(record) => {
                    let assignment = Arc::new(record.assignment.clone());
                    let record = Some(Arc::from(record));
                    Attempt { record, ..Attempt::new(assignment, Stage::Recovered, now.wall) }
                }
                Recovered::Reported(assignment) => {
                    Attempt::new(Arc::from(assignment), Stage::Ended(Kept::File), now.wall)
                }
            };
            self.known.insert(fence, attempt);
        }
    }
}
