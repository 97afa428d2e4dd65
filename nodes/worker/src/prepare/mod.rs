//! Making an attempt ready to start: its body, its environment, its contents, its folder.

mod contents;
mod folder;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_scheduler::message::{Assignment, End};
use tidegate_store::Digest;

use crate::{
    attempts::{Prepared, Record, Refusal},
    config::WorkerConfig,
    environments::{Chosen, Environments},
    folder::NodeFolder,
    job::{Base, Bodies, Reading},
    link::{Cache, Remote},
};

use contents::{Contents, Unmade};

/// What all preparations share.
#[derive(Debug)]
pub(crate) struct Preparer {
    pub(crate) node: NodeFolder,
    pub(crate) config: WorkerConfig,
    pub(crate) base: Base,
    pub(crate) environments: Environments,
    pub(crate) bodies: Mutex<Bodies>,
    pub(crate) cache: Cache,
    pub(crate) remote: Remote,
    /// The runs' files are ours to change, even read-only ones.
    pub(crate) is_root: bool,
}

/// Why a preparation cannot go on, with what was found out by then.
struct Failed {
    end: End,
    chosen: Option<Chosen>,
}

impl From<End> for Failed {
    fn from(end: End) -> Self {
        Self { end, chosen: None }
    }
}

/// All that an attempt needs from elsewhere.
#[derive(Debug)]
pub(crate) struct Gathered {
    reading: Reading,
    chosen: Chosen,
    contents: Contents,
}

impl Preparer {
    /// All that an attempt needs, if nothing has to be waited for.
    pub(crate) fn at_once(&self, assignment: &Assignment) -> Option<Gathered> {
        let reading = self.bodies().get(&assignment.body)?;
        let job = reading.as_ref().as_ref().ok().filter(|job| job.is_self_contained())?;
        let chosen = self.environments.at_once(&job.spec.environment)?.ok()?;
        Some(Gathered { reading, chosen, contents: Contents::default() })
    }

    /// Waits for all that an attempt needs from elsewhere. May be dropped at any moment.
    pub(crate) async fn gather(&self, assignment: &Assignment) -> Result<Gathered, Refusal> {
        let gathered = self.try_gather(assignment).await;
        gathered.map_err(|failed| refusal(assignment, failed))
    }

    async fn try_gather(&self, assignment: &Assignment) -> Result<Gathered, Failed> {
        let reading = self.body(assignment).await?;
        let job = reading.as_ref().as_ref().map_err(|reason| End::CannotStart { reason: reason.clone() })?;
        let chosen = self.environments.choose(&job.spec.environment).await?;
        match contents::fetch(self, job).await {
            Ok(contents) => Ok(Gathered { reading, chosen, contents }),
            Err(end) => Err(Failed { end, chosen: Some(chosen) }),
        }
    }

    /// Makes the folder of an attempt of what was gathered; `None` if the cache has dropped some of it since. Blocks.
    pub(crate) fn make_gathered(
        &self,
        assignment: &Assignment,
        gathered: &Gathered,
    ) -> Option<Result<Prepared, Refusal>> {
        let made = match gathered.reading.as_ref() {
            Ok(job) => self.make(assignment, job, &gathered.chosen, &gathered.contents),
            Err(reason) => Err(End::CannotStart { reason: reason.clone() }.into()),
        };
        match made {
            Ok(prepared) => Some(Ok(prepared)),
            Err(Unmade::Dropped) => None,
            Err(Unmade::End(end)) => {
                let failed = Failed { end, chosen: Some(gathered.chosen.clone()) };
                Some(Err(refusal(assignment, failed)))
            }
        }
    }

    async fn body(&self, assignment: &Assignment) -> Result<Reading, End> {
        if let Some(reading) = self.bodies().get(&assignment.body) {
            return Ok(reading);
        }
        let bytes = self.remote.get(Digest::from(assignment.body), tidegate_spec::FILE_LIMIT).await;
        let bytes = bytes
            .map_err(|error| End::System { reason: format!("its specification cannot be had: {error}") })?;
        let mut bodies = self.bodies();
        bodies.put(assignment.body, &bytes);
        let missing = || End::System { reason: "its specification cannot be kept".to_owned() };
        bodies.get(&assignment.body).ok_or_else(missing)
    }

    pub(crate) fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(assignment: &Assignment, failed: Failed) -> Refusal {
    let record = failed.chosen.map(|chosen| Arc::new(record(assignment, &[], &chosen)));
    Refusal { end: failed.end, record }
}

/// What is to be known of an attempt once it has ended.
fn record(assignment: &Assignment, outputs: &[crate::job::OutputPlan], chosen: &Chosen) -> Record {
    Record {
        assignment: assignment.clone(),
        outputs: outputs.iter().map(|output| output.name.clone()).collect(),
        environment: chosen.name.clone(),
        notes: chosen.note.iter().cloned().collect(),
    }
}
