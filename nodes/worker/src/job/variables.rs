//! The environment variables of a command. Nothing of the agent's own environment reaches it but what is named here.

use tidegate_scheduler::message::Assignment;

use super::Job;
use crate::folder::AttemptFolder;

/// What a command sees of the node itself. Tokens and the like stay with the agent.
const PASSED: [&str; 8] = ["PATH", "HOME", "LANG", "LC_ALL", "USER", "LOGNAME", "SHELL", "TZ"];
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables that are the same for all commands of the node.
#[derive(Debug, Clone)]
pub(crate) struct Base(Vec<(String, String)>);

impl Base {
    /// Those of this process that are passed on, `more` of them by name, and the node's own. To be read once.
    pub(crate) fn read(node: u64, more: &[String]) -> Self {
        let names = PASSED.into_iter().chain(more.iter().map(String::as_str));
        let mut all = Variables::default();
        all.set("PATH", DEFAULT_PATH);
        all.set("HOME", "/");
        all.set("LANG", "C.UTF-8");
        for name in names {
            // One that is not text could not be told to the keeper; there are hardly any.
            if let Ok(value) = std::env::var(name) {
                all.set(name, value);
            }
        }
        all.set("TIDEGATE_NODE", node.to_string());
        Self(all.0)
    }

    /// The node's own `PATH`.
    pub(crate) fn path(&self) -> &str {
        self.0.iter().find(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, value)| value)
    }
}

/// All variables of one attempt's command. `paths` is where its inputs are, `environment` what its environment adds.
pub(crate) fn variables(
    base: &Base,
    assignment: &Assignment,
    job: &Job,
    folder: &AttemptFolder,
    paths: &[(String, String)],
    environment: &[(String, String)],
) -> Vec<(String, String)> {
    let mut all = Variables(base.0.clone());
    for (name, value) in environment {
        all.set(name, value);
    }
    all.set("TMPDIR", folder.temporary().display().to_string());
    identity(&mut all, assignment);
    if let Some(distribution) = &job.spec.distribution {
        for (name, value) in distribution.single_process_variables() {
            all.set(name, value);
        }
    }
    for name in job.spec.inputs.keys() {
        if let Some(text) = job.input_text(name, paths) {
            all.set(&format!("AZURE_ML_INPUT_{name}"), text);
        }
    }
    for output in &job.outputs {
        all.set(&format!("AZURE_ML_OUTPUT_{}", output.name), output.path(folder).display().to_string());
    }
    for (name, value) in &job.spec.environment_variables {
        all.set(name, value.to_text());
    }
    all.0
}

fn identity(all: &mut Variables, assignment: &Assignment) {
    let Assignment { run, workspace, slot, count, .. } = assignment;
    let array = *count > 1;
    // An element of an array is a run of its own to the program that asks.
    all.set("AZUREML_RUN_ID", if array { format!("{run}_{}", slot.element) } else { run.clone() });
    all.set("AZUREML_ARM_WORKSPACE_NAME", workspace);
    all.set("AZUREML_CR_NODE_RANK", "0");
    all.set("TIDEGATE_RUN", run);
    all.set("TIDEGATE_RUN_ID", slot.run.0.to_string());
    all.set("TIDEGATE_WORKSPACE", workspace);
    all.set("TIDEGATE_ATTEMPT", assignment.attempt.to_string());
    all.set("TIDEGATE_FENCE", assignment.fence.0.to_string());
    if array {
        all.set("TIDEGATE_ARRAY_INDEX", slot.element.to_string());
        all.set("TIDEGATE_ARRAY_COUNT", count.to_string());
    }
}

/// Variables in the order in which they were first set; setting one again replaces its value.
#[derive(Debug, Default)]
struct Variables(Vec<(String, String)>);

impl Variables {
    fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((name.to_owned(), value.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_scheduler::ids::Fence;

    use super::*;
    use crate::folder::{NodeFolder, assignment};

    fn all(body: &str, count: u32) -> std::collections::BTreeMap<String, String> {
        let temp = tempfile::tempdir().unwrap();
        let node = NodeFolder::open(temp.path()).unwrap();
        let job = Job::read(body.as_bytes()).unwrap();
        let mut assignment = assignment(65537);
        assignment.count = count;
        assignment.slot.element = count - 1;
        let environment = [("PATH".to_owned(), "/venv/bin:/bin".to_owned())];
        let base = Base::read(3, &[]);
        variables(&base, &assignment, &job, &node.attempt(Fence(1)), &[], &environment).into_iter().collect()
    }

    #[test]
    fn a_command_learns_who_it_is_and_nothing_of_the_agent() {
        let body = r#"{"command":"x","environment":"azureml:e","inputs":{"rate":1e-05},"outputs":{"m":null},
            "environment_variables":{"A":"1 2","LANG":"de"},"distribution":{"type":"pytorch"}}"#;
        let one = all(body, 1);
        for (name, value) in [
            ("PATH", "/venv/bin:/bin"),
            ("LANG", "de"),
            ("A", "1 2"),
            ("TIDEGATE_RUN", "train"),
            ("TIDEGATE_RUN_ID", "1"),
            ("TIDEGATE_NODE", "3"),
            ("TIDEGATE_FENCE", "65537"),
            ("TIDEGATE_ATTEMPT", "1"),
            ("AZUREML_RUN_ID", "train"),
            ("TIDEGATE_WORKSPACE", "main"),
            ("AZURE_ML_INPUT_rate", "1e-05"),
            ("RANK", "0"),
            ("WORLD_SIZE", "1"),
        ] {
            assert_eq!(one.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(one["AZURE_ML_OUTPUT_m"].ends_with("/named/m"));
        assert!(one["TMPDIR"].ends_with("/tmp"));
        assert!(!one.contains_key("TIDEGATE_ARRAY_INDEX"));
        // The test's own process has many more variables, such as cargo's.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some() && !one.contains_key("CARGO_MANIFEST_DIR"));
        let array = all(body, 8);
        assert_eq!(
            (array["AZUREML_RUN_ID"].as_str(), array["TIDEGATE_ARRAY_INDEX"].as_str()),
            ("train_7", "7")
        );
        assert_eq!(array["TIDEGATE_ARRAY_COUNT"], "8");
    }
}
