//! Snapshots: saving one, and streaming one to another controller.

use super::World;
use super::happening::{Happening, Stream, ToController};
use crate::clock::Micros;
use crate::coverage::Mark;
use crate::network::Place;
use tidegate_scheduler::consensus::{PeerMessage, SnapshotPoint};
use tidegate_scheduler::{Input, Loaded, State};

/// After so long a stream that does not get through is given up.
const GIVEN_UP: Micros = Micros::seconds(2);

impl World {
    pub(super) fn save_snapshot(&mut self, id: u64, point: SnapshotPoint, state: &State) {
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        let image = state.encode();
        let pause = controller.disk.transfer(image.len());
        let life = controller.life;
        controller.saving.push_back((point, image));
        self.engine
            .after(pause, Happening::Controller { to: id, what: ToController::SnapshotWritten { life } });
    }

    pub(super) fn snapshot_written(&mut self, id: u64) {
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        let Some((point, image)) = controller.saving.pop_front() else { return };
        if controller.disk_full {
            return self.step(id, Input::SnapshotFailed);
        }
        controller.disk.save(point.clone(), image);
        self.coverage.mark(Mark::SnapshotSaved);
        self.step(id, Input::SnapshotSaved { point });
    }

    pub(super) fn send_snapshot(&mut self, from: u64, to: u64, message: PeerMessage) {
        let now = self.now();
        let Some(controller) = self.controllers.get(&from) else { return };
        let life = controller.life;
        let saved = message.snapshot.as_ref().and_then(|point| controller.disk.image(point.index));
        let Some(saved) = saved else {
            return self.tell_sender(from, life, to, false, Micros::millis(1));
        };
        let (point, image) = (saved.point.clone(), saved.image.clone());
        let pause = controller.disk.transfer(image.len());
        let stream = Box::new(Stream { from, from_life: life, to, message, point, image });
        let open = self.network.is_open(Place::Controller(from), Place::Controller(to));
        if !open {
            return self.tell_sender(from, life, to, false, GIVEN_UP);
        }
        let mut last = Micros(0);
        let at =
            self.network.carry(now.after(pause), Place::Controller(from), Place::Controller(to), &mut last);
        self.engine.at(at, Happening::Controller { to, what: ToController::SnapshotStream { stream } });
    }

    /// All of it has come over, if the path was open to the end; it is synced before anybody is told.
    pub(super) fn snapshot_arrives(&mut self, stream: Stream) {
        let (from, to) = (Place::Controller(stream.from), Place::Controller(stream.to));
        let broken = !self.network.is_open(from, to) || !self.network.is_open(to, from);
        let Some(controller) = self.controllers.get(&stream.to) else { return };
        if broken || controller.disk_full {
            return self.snapshot_failed(&stream);
        }
        let pause = controller.disk.transfer(stream.image.len());
        let what = ToController::SnapshotStored { life: controller.life, stream: Box::new(stream) };
        if let ToController::SnapshotStored { stream, .. } = &what {
            let to = stream.to;
            self.engine.after(pause, Happening::Controller { to, what });
        }
    }

    pub(super) fn snapshot_stored(&mut self, stream: Stream) {
        let Stream { from, from_life, to, message, point, image } = stream;
        let loaded = match Loaded::decode(&image) {
            Ok(loaded) => Box::new(loaded),
            Err(error) => {
                return self
                    .found
                    .push(format!("state is whole: a snapshot of {from} is unreadable: {error}"));
            }
        };
        let Some(controller) = self.controllers.get_mut(&to) else { return };
        controller.disk.save(point, image);
        self.tell_sender(from, from_life, to, true, Micros::millis(1));
        self.step(to, Input::SnapshotArrived { message: Box::new(message), loaded });
    }

    pub(super) fn snapshot_failed(&mut self, stream: &Stream) {
        self.tell_sender(stream.from, stream.from_life, stream.to, false, GIVEN_UP);
    }

    fn tell_sender(&mut self, sender: u64, life: u32, to: u64, delivered: bool, pause: Micros) {
        let input = Box::new(Input::SnapshotSent { to, delivered });
        let what = ToController::Say { life, input };
        self.engine.after(pause, Happening::Controller { to: sender, what });
    }
}
