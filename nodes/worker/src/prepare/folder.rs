//! The attempt's folder, and the order to start its command.

use std::{io, sync::Arc};

use tidegate_scheduler::{
    message::{Assignment, End},
    resources::Resources,
};

use super::{
    Contents, Preparer,
    contents::{Unmade, full_or},
    record,
};
use crate::{
    attempts::Prepared,
    config::Capacity,
    environments::Chosen,
    folder::{AttemptFolder, Room, make},
    job::{Job, command_line, variables},
    keeper::protocol::{Limits, StartRequest, ToKeeper},
};

/// The system takes arguments and variables of up to 2 MiB together (a quarter of the usual stack), ...
const ARGUMENTS_MAX_BYTES: usize = 2 << 20;
/// ... each of up to 128 KiB, its end included.
const ARGUMENT_MAX_BYTES: usize = (128 << 10) - 1;

impl Preparer {
    /// Makes an attempt's folder, and writes down what a later agent must know. Blocks.
    pub(super) fn make(
        &self,
        assignment: &Assignment,
        job: &Job,
        chosen: &Chosen,
        contents: &Contents,
    ) -> Result<Prepared, Unmade> {
        self.check_room(assignment)?;
        let folder = self.node.attempt(assignment.fence);
        let in_folder = |error: io::Error| full_or(folder.root(), &error);
        match job.code {
            None => self.node.make(&folder).map_err(in_folder)?,
            Some(code) => {
                folder.make().map_err(in_folder)?;
                contents.write_code(code, &folder)?;
                folder.make_kept().map_err(in_folder)?;
            }
        }
        let paths = write_inputs(self, job, contents, &folder)?;
        make_outputs(job, &folder).map_err(in_folder)?;
        let start = self.start_request(assignment, job, chosen, &folder, &paths)?;
        check_size(&start)?;
        let record = record(assignment, &job.outputs, chosen);
        folder.write_record(&record).map_err(in_folder)?;
        Ok(Prepared { start: Arc::new(ToKeeper::Start(start)), record: Arc::new(record) })
    }

    fn check_room(&self, assignment: &Assignment) -> Result<(), End> {
        let root = self.node.root();
        let room = Room::of(root).map_err(|error| End::System {
            reason: format!("cannot look at the disk of {}: {error}", root.display()),
        })?;
        if room.is_less_than(self.config.keep_free_mib << 20) || room.is_gone() {
            let least = self.config.keep_free_mib;
            return Err(End::System {
                reason: format!("{room}, and {least} MiB must stay free: no run is begun there"),
            });
        }
        let Capacity { vcpu, memory_mib, gpu_milli } = self.config.capacity;
        let offered = Resources { vcpu, memory_mib, gpu_milli };
        if !offered.fits(&assignment.resources) {
            let reason = format!("it needs {}, and this node offers {offered}", assignment.resources);
            return Err(End::System { reason });
        }
        Ok(())
    }

    fn start_request(
        &self,
        assignment: &Assignment,
        job: &Job,
        chosen: &Chosen,
        folder: &AttemptFolder,
        paths: &[(String, String)],
    ) -> Result<StartRequest, End> {
        let command =
            job.command(&assignment.run, folder, paths).map_err(|reason| End::CannotStart { reason })?;
        let environment = chosen.variables(self.base.path());
        let env = variables(&self.base, assignment, job, folder, paths, &environment);
        let cwd = folder.work();
        Ok(StartRequest {
            fence: assignment.fence.0,
            argv: command_line(&command, &env, &cwd),
            env,
            cwd,
            stdout: folder.stdout(),
            stderr: folder.stderr(),
            limits: limits(&assignment.resources),
            timeout_ms: job
                .spec
                .limits
                .and_then(|limits| limits.timeout)
                .filter(|seconds| *seconds > 0)
                .map(|s| s * 1000),
            grace_ms: assignment.grace.0,
            log_limit_bytes: self.config.log_limit_mib << 20,
        })
    }
}

fn write_inputs(
    preparer: &Preparer,
    job: &Job,
    contents: &Contents,
    folder: &AttemptFolder,
) -> Result<Vec<(String, String)>, Unmade> {
    if job.inputs.is_empty() {
        return Ok(Vec::new());
    }
    let place = folder.root().join("inputs");
    make(&place).map_err(|error| full_or(&place, &error))?;
    let written = job.inputs.iter().map(|input| {
        let path = contents.write_input(input, folder, preparer.is_root)?;
        Ok((input.name.clone(), path))
    });
    written.collect()
}

fn make_outputs(job: &Job, folder: &AttemptFolder) -> io::Result<()> {
    if job.outputs.is_empty() {
        return Ok(());
    }
    make(&folder.root().join("named"))?;
    job.outputs.iter().try_for_each(|output| make(&folder.output(&output.name)))
}

/// What nothing is asked of is not limited.
fn limits(resources: &Resources) -> Limits {
    Limits {
        cpu_milli: (resources.vcpu > 0).then(|| resources.vcpu.saturating_mul(1000)),
        memory_bytes: (resources.memory_mib > 0).then(|| resources.memory_mib.saturating_mul(1 << 20)),
        pids: None,
    }
}

/// Refuses what the system would refuse, with words of ours.
fn check_size(start: &StartRequest) -> Result<(), End> {
    let variables = start.env.iter().map(|(name, value)| name.len() + 1 + value.len());
    let sizes: Vec<usize> = start.argv.iter().map(String::len).chain(variables).collect();
    // Each has an end and a pointer to it.
    let all: usize = sizes.iter().map(|size| size + 9).sum();
    let largest = sizes.into_iter().max().unwrap_or(0);
    if largest > ARGUMENT_MAX_BYTES || all > ARGUMENTS_MAX_BYTES {
        return Err(End::CannotStart {
            reason: format!(
                "the command and its environment variables have {all} bytes, the longest of them {largest}; the system \
                 takes {ARGUMENTS_MAX_BYTES} and {ARGUMENT_MAX_BYTES}: put long texts into a file"
            ),
        });
    }
    Ok(())
}
