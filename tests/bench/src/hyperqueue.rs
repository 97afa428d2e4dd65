//! The same work by HyperQueue, the fastest scheduler of its kind, from its package for Python: server and worker are
//! one process there, and nothing is durable.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    machine::Machine,
    report::{Figure, Report, target_folder},
    throughput::RUNS,
};

/// What is installed.
const PACKAGE: &str = "hyperqueue==0.27.0";
/// It spawns from one thread, however many cores it is told that it has.
const CORES: u32 = 64;

/// Measures and reports, or says why not.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    report.title(
        "10,000 runs of /bin/true by HyperQueue 0.27 (in one process with its client, nothing durable)",
    );
    let folder = target_folder()?.join("hyperqueue");
    let python = match install(&folder) {
        Ok(python) => python,
        Err(error) => {
            report.skipped("hyperqueue", &format!("{error:#}"));
            return Ok(());
        }
    };
    let work = tempfile::Builder::new().prefix("tidegate-bench-").tempdir()?;
    let script = work.path().join("run.py");
    fs::write(&script, include_str!("hyperqueue.py"))?;
    let ((seconds, cpu), machine) = Machine::around(|| run(&python, &script, work.path()))?;
    let figures = vec![
        Figure::new("hyperqueue", RUNS as f64 / seconds, "runs/s")
            .with("version", PACKAGE)
            .with("cores", CORES),
        Figure::new("hyperqueue_cpu", cpu * 1e6 / RUNS as f64, "us of CPU/run")
            .with("of", "server, worker and client, which are one process, and the commands"),
    ];
    report.add("hyperqueue", figures, Some(&machine))
}

fn run(python: &Path, script: &Path, work: &Path) -> Result<(f64, f64)> {
    let output = Command::new(python)
        .arg(script)
        .args([RUNS.to_string(), CORES.to_string()])
        .arg(work)
        .output()
        .with_context(|| format!("cannot start {}", python.display()))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "HyperQueue failed: {error}");
    let text = fs::read_to_string(work.join("result"))
        .with_context(|| format!("HyperQueue has no result: {error}"))?;
    let numbers: Vec<f64> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [seconds, cpu] = numbers[..] else { anyhow::bail!("HyperQueue's result is {text:?}") };
    Ok((seconds, cpu))
}

/// A virtual environment in cargo's target folder, made once.
fn install(folder: &Path) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    let is_there =
        || Command::new(&python).args(["-c", "import hyperqueue"]).output().is_ok_and(|o| o.status.success());
    if is_there() {
        return Ok(python);
    }
    let folder = folder.as_os_str();
    tell(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    tell(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        PACKAGE,
    ]))?;
    ensure!(is_there(), "it was installed, and cannot be imported");
    Ok(python)
}

fn tell(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    ensure!(output.status.success(), "cannot install it: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
