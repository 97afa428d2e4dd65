//! Figures: printed for people, and written for programs.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::machine::Machine;

/// One figure.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    context: Value,
    target: Option<Target>,
}

/// What a figure is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    Below(f64),
}

impl Target {
    fn verdict(self, value: f64) -> String {
        let (met, words, bound) = match self {
            Target::AtLeast(least) => (value >= least, "at least", least),
            Target::Below(most) => (value < most, "below", most),
        };
        format!("{} (target: {words} {bound})", if met { "met" } else { "MISSED" })
    }
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Figure {
        Figure { name: name.into(), value, unit, context: json!({}), target: None }
    }

    /// What it is to be.
    pub(crate) fn target(mut self, target: Target) -> Figure {
        self.target = Some(target);
        self
    }

    /// Something to know about it.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Figure {
        self.context[key] = value.into();
        self
    }

    fn json(&self) -> Value {
        json!({ "name": self.name, "value": self.value, "unit": self.unit, "context": self.context })
    }
}

/// Where figures go.
pub(crate) struct Report {
    folder: PathBuf,
    known: BTreeMap<String, f64>,
}

impl Report {
    /// Figures go to `bench` in cargo's target folder: `CARGO_TARGET_DIR`, else where this program was built.
    pub(crate) fn new() -> Result<Report> {
        let folder = target_folder()?.join("bench");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        println!("figures are written to {}", folder.display());
        Ok(Report { folder, known: BTreeMap::new() })
    }

    /// Says what comes next.
    pub(crate) fn title(&self, title: &str) {
        println!("\n{title}");
    }

    /// Says why something is not measured.
    pub(crate) fn skipped(&self, name: &str, reason: &str) {
        println!("  skipped: {name}: {reason}");
    }

    /// Prints figures, and writes them to `NAME.json`.
    pub(crate) fn add(&mut self, name: &str, figures: Vec<Figure>, machine: Option<&Machine>) -> Result<()> {
        for figure in &figures {
            let verdict = figure.target.map(|target| target.verdict(figure.value)).unwrap_or_default();
            println!("  {:38} {:>10} {:16} {verdict}", figure.name, shown(figure.value), figure.unit);
            self.known.insert(figure.name.clone(), figure.value);
        }
        if let Some(machine) = machine {
            println!("  {:38} {}", "", machine.line());
        }
        let list: Vec<Value> = figures
            .into_iter()
            .map(|figure| match machine {
                Some(machine) => figure.with("machine", machine.context()).json(),
                None => figure.json(),
            })
            .collect();
        let path = self.folder.join(format!("{name}.json"));
        fs::write(&path, format!("{:#}\n", Value::from(list)))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn known(&self, name: &str) -> Option<f64> {
        self.known.get(name).copied()
    }
}

fn shown(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middling if middling >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Cargo's target folder: this program is in `target/PROFILE/`.
pub(crate) fn target_folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("CARGO_TARGET_DIR") {
        return Ok(PathBuf::from(folder));
    }
    let program = env::current_exe().context("this program's own place is not known")?;
    program.ancestors().nth(2).map(PathBuf::from).context("this program is not in cargo's target folder")
}

/// Ours beside the others', of what was measured in this same run.
pub(crate) fn ratios(report: &mut Report) -> Result<()> {
    const PAIRS: [(&str, &str, &str, Option<Target>); 7] = [
        ("array_vs_bare_loop", "array_10000", "bare_loop", Some(Target::AtLeast(0.6))),
        ("array_vs_bare_loop_reusing", "array_10000", "bare_loop_reusing", Some(Target::AtLeast(0.6))),
        ("array_vs_bare_spawn_2_threads", "array_10000", "bare_spawn_2_threads", None),
        ("array_vs_hyperqueue", "array_10000", "hyperqueue", None),
        ("singles_vs_hyperqueue", "singles_10000_batched", "hyperqueue", None),
        ("array_cpu_vs_hyperqueue", "array_10000_cpu", "hyperqueue_cpu", None),
        ("array_cpu_vs_bare_loop_reusing", "array_10000_cpu", "bare_loop_reusing_cpu", None),
    ];
    report.title("Beside the others, in this same run");
    let mut figures = Vec::new();
    for (name, ours, theirs, target) in PAIRS {
        match (report.known(ours), report.known(theirs)) {
            (Some(a), Some(b)) => {
                let figure = Figure::new(name, a / b, "ratio").with("of", ours).with("to", theirs);
                figures.push(Figure { target, ..figure });
            }
            (_, None) => report.skipped(name, &format!("{theirs} was not measured in this run")),
            (None, _) => report.skipped(name, &format!("{ours} was not measured in this run")),
        }
    }
    report.add("ratios", figures, None)
}
