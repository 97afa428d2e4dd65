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
    job::{Base, Bodies, Job},
    link::{Cache, Remote},
};

pub(crate) use contents::Contents;

/// How often contents are fetched again that the cache dropped in between.
const FETCHES: usize = 3;

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

/// A job and its environment.
type Ready = (Arc<Result<Job, String>>, Chosen);

impl Preparer {
    /// All that is needed, if nothing has to be waited for: then `make_at_once` is all there is to do.
    pub(crate) fn at_once(&self, assignment: &Assignment) -> Option<Ready> {
        let reading = self.bodies().get(&assignment.body)?;
        let job = reading.as_ref().as_ref().ok().filter(|job| job.is_self_contained())?;
        let chosen = self.environments.at_once(&job.spec.environment)?.ok()?;
        Some((reading, chosen))
    }

    /// Makes the folder of an attempt that needs no contents. Blocks.
    pub(crate) fn make_at_once(&self, assignment: &Assignment, ready: &Ready) -> Result<Prepared, Refusal> {
        let (reading, chosen) = ready;
        let made = match reading.as_ref() {
            Ok(job) => self.make(assignment, job, chosen, &Contents::default()).map_err(contents::Unmade::into_end),
            Err(reason) => Err(End::CannotStart { reason: reason.clone() }),
        };
        made.map_err(|end| refusal(assignment, Failed { end, chosen: Some(chosen.clone()) }))
    }

    /// Fetches and makes all that an attempt needs. Dropped before it is done, it leaves a folder that is deleted later.
    pub(crate) async fn prepare(self: Arc<Self>, assignment: Arc<Assignment>) -> Result<Prepared, Refusal> {
        let prepared = self.clone().try_prepare(&assignment).await;
        prepared.map_err(|failed| refusal(&assignment, failed))
    }

    async fn try_prepare(self: Arc<Self>, assignment: &Arc<Assignment>) -> Result<Prepared, Failed> {
        let reading = self.body(assignment).await?;
        let job = reading.as_ref().as_ref().map_err(|reason| End::CannotStart { reason: reason.clone() })?;
        let chosen = self.environments.choose(&job.spec.environment).await?;
        let mut fetches = 0;
        loop {
            fetches += 1;
            let fetched = contents::fetch(&self, job).await;
            let contents = fetched.map_err(|end| Failed { end, chosen: Some(chosen.clone()) })?;
            let (preparer, reading, given) = (self.clone(), reading.clone(), (assignment.clone(), chosen.clone()));
            let make = move || match reading.as_ref() {
                Ok(job) => preparer.make(&given.0, job, &given.1, &contents),
                Err(reason) => Err(End::CannotStart { reason: reason.clone() }.into()),
            };
            let made = tokio::task::spawn_blocking(make).await;
            let made = made.unwrap_or_else(|panicked| {
                Err(End::System { reason: format!("its preparation broke: {panicked}") }.into())
            });
            match made {
                Ok(prepared) => {
                    if !job.is_self_contained()
                        && let Err(error) = self.cache.shrink().await
                    {
                        tracing::warn!(%error, "the cache cannot be made smaller");
                    }
                    return Ok(prepared);
                }
                Err(contents::Unmade::Dropped) if fetches < FETCHES => {}
                Err(unmade) => return Err(Failed { end: unmade.into_end(), chosen: Some(chosen) }),
            }
        }
    }

    async fn body(&self, assignment: &Assignment) -> Result<Arc<Result<Job, String>>, End> {
        if let Some(reading) = self.bodies().get(&assignment.body) {
            return Ok(reading);
        }
        let bytes = self.remote.get(Digest::from(assignment.body), tidegate_spec::FILE_LIMIT).await;
        let bytes = bytes.map_err(|error| End::System { reason: format!("its specification cannot be had: {error}") })?;
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
