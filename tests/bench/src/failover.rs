//! From a fault of the leader to the first command that is started under the next term, with 100,000 runs queued and runs
//! being started all the time: killed, stopped, and cut off.

use std::time::Duration;

use anyhow::Result;
use tidegate_tests::{
    Replicas,
    failover::{Backlog, Fault, Spread, Took, fail_over},
    faults::Hosts,
};

use crate::{
    machine::Machine,
    report::{Figure, Report, Target},
};

const CONTROLLERS: usize = 3;
const WORKERS: usize = 5;
/// So many that 100,000 are queued to the end: a few are executed all the time.
const RUNS: usize = 150_000;
/// Faults of each kind.
const TIMES: usize = 100;
/// Of so many complete runs, the record of one is read when all is over.
const ONE_IN: usize = 50;
/// Milliseconds, of which 99 of 100 fail-overs may take no more.
const TARGET: f64 = 1_500.0;

/// Measures and reports.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    report.title("Fail-over of three controllers with 100,000 runs queued, 100 times by each fault");
    let hosts = Hosts::new("failover", CONTROLLERS + WORKERS)?;
    let (mut replicas, faults) = match hosts {
        Some(hosts) => (Replicas::in_hosts(hosts, CONTROLLERS)?, &[Fault::Kill, Fault::Stop, Fault::Cut][..]),
        None => (Replicas::found(CONTROLLERS)?, &[Fault::Kill, Fault::Stop][..]),
    };
    replicas.start_all()?;
    let mut backlog = Backlog::queue(&replicas, RUNS, u32::try_from(WORKERS)?)?;
    let (mut all, mut last) = (Vec::new(), None);
    for fault in faults {
        let (took, machine) = Machine::around(|| {
            let took = (0..TIMES).map(|_| fail_over(&mut replicas, &mut backlog, *fault));
            took.collect::<Result<Vec<_>>>()
        })?;
        let queued = replicas.status(replicas.leader()?.at)?["queued_elements"].clone();
        all.extend(
            figures(*fault, &took)
                .into_iter()
                .map(|figure| figure.with("still_queued", queued.clone()).with("machine", machine.context())),
        );
        last = Some(machine);
    }
    // A quick fail-over that loses or doubles something is none.
    let complete = backlog.demand(&replicas.caller(replicas.leader()?.at), ONE_IN)?;
    println!("  {complete} runs were executed meanwhile, each once; of {RUNS} none is lost");
    replicas.finish()?;
    report.add("failover", all, last.as_ref())
}

fn figures(fault: Fault, took: &[Took]) -> Vec<Figure> {
    let name = match fault {
        Fault::Kill => "sigkill",
        Fault::Stop => "sigstop",
        Fault::Cut => "cut",
    };
    let figure = |part: &str, value: Duration| {
        Figure::new(format!("failover_{name}_{part}"), value.as_secs_f64() * 1e3, "ms")
            .with("samples", took.len())
    };
    let started = Spread::of(took.iter().map(|one| one.started));
    let leads = Spread::of(took.iter().map(|one| one.leads));
    vec![
        figure("p50", started.p50),
        figure("p99", started.p99).target(Target::Below(TARGET)),
        figure("max", started.max),
        figure("leads_p50", leads.p50),
        figure("leads_p99", leads.p99),
        figure("leads_max", leads.max),
    ]
}
