//! Writing down all that the core is told, for a replay that must go the same way.

use crate::fatal::Fatal;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use tidegate_scheduler::record::{Did, Recorded, Start};
use tidegate_scheduler::time::Moment;
use tidegate_scheduler::{Core, Effect, Input};

/// How many steps are between two states that are written down.
const STATE_EVERY: u64 = 2000;

/// Writes frames: the length of each (4 bytes, little-endian), then MessagePack.
pub(crate) struct Recorder {
    out: BufWriter<File>,
    did: Did,
    steps: u64,
    fatal: Fatal,
}

impl Recorder {
    /// Begins a record, which holds bodies of runs: its owner alone may read it.
    pub(crate) fn begin(path: &Path, start: Start, fatal: Fatal) -> io::Result<Recorder> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let mut recorder = Recorder { out: BufWriter::new(file), did: Did::default(), steps: 0, fatal };
        recorder.write(&Recorded::Start(Box::new(start)))?;
        Ok(recorder)
    }

    /// The core is about to be told this.
    pub(crate) fn step(&mut self, moment: Moment, input: &Input) {
        self.steps += 1;
        let written = self.write(&Recorded::Step { moment, input: input.clone() });
        self.settle(written);
    }

    /// It said this.
    pub(crate) fn effect(&mut self, effect: &Effect) {
        self.did.add(effect);
    }

    /// It has said all; now and then its state is written down too.
    pub(crate) fn followed(&mut self, core: &Core) {
        let did = std::mem::take(&mut self.did);
        let written = self.write(&Recorded::Did(did));
        self.settle(written);
        if self.steps.is_multiple_of(STATE_EVERY) {
            self.state(core);
        }
    }

    fn state(&mut self, core: &Core) {
        let (applied, hash) = (core.state().applied(), core.state().hash());
        let written = self.write(&Recorded::State { applied, hash }).and_then(|()| self.out.flush());
        self.settle(written);
    }

    /// The controller stops.
    pub(crate) fn end(mut self, core: &Core) {
        self.state(core);
    }

    fn write(&mut self, line: &Recorded) -> io::Result<()> {
        let bytes = rmp_serde::to_vec(line).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&bytes)
    }

    /// A record with a gap is worse than none.
    fn settle(&self, written: io::Result<()>) {
        if let Err(error) = written {
            self.fatal.report(format!("the record cannot be written: {error}"));
        }
    }
}
