//! Where controllers are, as the state says, and before it says so as this one was told when it joined.

use crate::member;
use crate::network::ControllersFile;
use crate::peers::Peers;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_scheduler::State;
use tidegate_scheduler::ids::ControllerId;

/// Where controllers are.
pub(crate) struct Places {
    own: (u64, String),
    data: PathBuf,
    controllers: ControllersFile,
    known: BTreeMap<u64, String>,
    written: Vec<(u64, String)>,
}

impl Places {
    /// `seeds` is what this controller was told before.
    pub(crate) fn new(
        own: (u64, String),
        seeds: Vec<(u64, String)>,
        data: PathBuf,
        controllers: ControllersFile,
    ) -> Places {
        let mut known: BTreeMap<u64, String> = seeds.into_iter().collect();
        known.insert(own.0, own.1.clone());
        Places { own, data, controllers, known, written: Vec::new() }
    }

    /// Looks again who there is: links, the file for workers and the one for the next start follow.
    pub(crate) fn follow(&mut self, state: &State, peers: &Peers, leads: bool) {
        let is_of_it = state.controller(ControllerId(self.own.0)).is_some();
        for (id, controller) in state.controllers() {
            if !controller.card.address.is_empty() && id.0 != self.own.0 {
                self.known.insert(id.0, controller.card.address.clone());
            }
        }
        if is_of_it {
            // One that has not read so far yet that it is in the table keeps whom it was told of.
            self.known.retain(|id, _| state.controller(ControllerId(*id)).is_some());
        }
        let places: Vec<(u64, String)> = self.known.clone().into_iter().collect();
        peers.set(&places, |id| state.has_left(ControllerId(id)));
        if places == self.written && !leads {
            return;
        }
        if places != self.written
            && let Err(error) = member::write_peers(&self.data, &places)
        {
            tracing::warn!(%error, "where controllers are could not be written down");
        }
        // Controllers of one machine share the file: one that has been away must not write what it knew then.
        if (leads || !self.controllers.path().exists())
            && let Err(error) = self.controllers.write(&places)
        {
            tracing::warn!(%error, "workers cannot be told where controllers are");
            // Tried again with the next change.
            return;
        }
        self.written = places;
    }
}
