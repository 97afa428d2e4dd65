//! What is submitted: many short runs, single ones and arrays, and a few that last through all crashes.

use rand::{Rng, rngs::StdRng};
use serde_json::{Value, json};
use tidegate_tests::Tally;

/// Runs that last through all crashes.
const LASTING: usize = 6;
/// One in so many runs is an array.
const ARRAYS: usize = 8;

/// Prints five lines.
const SHORT: &str = r#"
for line in 1 2 3 4; do echo "$TIDEGATE_RUN ${TIDEGATE_ARRAY_INDEX:-0} line $line"; done
sleep ${{inputs.nap}}
echo "$TIDEGATE_RUN ${TIDEGATE_ARRAY_INDEX:-0} done"
"#;

/// Prints a line now and then until it is released.
const LASTS: &str = r#"
at=0
while [ ! -e $TALLY/release ]; do at=$((at + 1)); echo "line $at"; sleep 0.25; done
echo "done after $at"
"#;

/// One run to be submitted.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) count: u32,
    /// Seconds; `None` for one that lasts until it is released.
    pub(crate) nap: Option<f64>,
}

impl Planned {
    /// What is sent.
    pub(crate) fn request(&self, tally: &Tally) -> Value {
        let mut request = json!({"name": self.name, "job": self.job(tally)});
        if self.count > 1 {
            request["count"] = self.count.into();
        }
        request
    }

    /// The job alone: JSON is YAML, so it serves as a file, too.
    pub(crate) fn job(&self, tally: &Tally) -> Value {
        let mut job = json!({
            "command": Tally::counted(if self.nap.is_some() { SHORT } else { LASTS }),
            "environment": "azureml:any",
            "compute": "azureml:busy",
            "resources": {"cpus": 1},
            "environment_variables": {"TALLY": tally.folder()},
        });
        if let Some(nap) = self.nap {
            job["inputs"] = json!({"nap": nap});
        }
        job
    }

    /// What an element must have printed; the lasting ones tell themselves how much.
    pub(crate) fn printed(&self, element: u32) -> String {
        let name = &self.name;
        let lines: String = (1..=4).map(|line| format!("{name} {element} line {line}\n")).collect();
        format!("{lines}{name} {element} done\n")
    }
}

/// The lasting runs.
pub(crate) fn lasting() -> Vec<Planned> {
    (0..LASTING).map(|at| Planned { name: format!("lasts-{at}"), count: 1, nap: None }).collect()
}

/// So many short runs.
pub(crate) fn short(count: usize, chance: &mut StdRng) -> Vec<Planned> {
    let plan = |at: usize| Planned {
        name: format!("short-{at}"),
        count: if at.is_multiple_of(ARRAYS) { chance.random_range(2..=6) } else { 1 },
        nap: Some(f64::from(chance.random_range(10..=300)) / 1000.0),
    };
    (0..count).map(plan).collect()
}

/// The pool that takes them.
pub(crate) fn pool(nodes: u32) -> String {
    format!(
        "{{name: busy, type: amlcompute, size: Standard_D4s_v3, min_instances: {nodes}, max_instances: {nodes}}}"
    )
}
