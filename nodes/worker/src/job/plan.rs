//! A body, read once for all attempts that share it.

use tidegate_spec::{CommandJob, DataKind, DataPath, Input, InputMode, Reference, Template};
use tidegate_store::Digest;

use crate::folder::AttemptFolder;

/// A job, and what it needs.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) spec: CommandJob,
    template: Template,
    /// What the working folder starts as.
    pub(crate) code: Option<Digest>,
    pub(crate) inputs: Vec<InputPlan>,
    pub(crate) outputs: Vec<OutputPlan>,
}

/// An input that is a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputPlan {
    pub(crate) name: String,
    pub(crate) content: Content,
    /// The command wants the one file, not the folder that it is in.
    pub(crate) is_file: bool,
    /// The command may change it.
    pub(crate) writable: bool,
}

/// What an input is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A folder, or a file that keeps its name.
    Tree(Digest),
    /// A file without a name.
    Blob(Digest),
}

/// An output that the job names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputPlan {
    pub(crate) name: String,
    /// The command writes one file of this name, not a folder.
    pub(crate) is_file: bool,
}

impl Job {
    /// Reads a body.
    ///
    /// # Errors
    /// What cannot be run, for people: trying again would not help.
    pub(crate) fn read(body: &[u8]) -> Result<Job, String> {
        let spec =
            CommandJob::from_json_bytes(body).map_err(|error| format!("the run's specification: {error}"))?;
        tidegate_spec::supported(&spec).map_err(|error| format!("this node cannot run it: {error}"))?;
        let template = spec.template().map_err(|error| error.to_string())?;
        let code = match spec.code.as_ref().map(|path| ("code", content(path))) {
            None => None,
            Some((_, Some(Content::Tree(digest)))) => Some(digest),
            Some((key, _)) => return Err(not_uploaded(key)),
        };
        let inputs = spec
            .inputs
            .iter()
            .filter_map(|(name, input)| plan_input(name, input))
            .collect::<Result<_, _>>()?;
        let output = |(name, output): (&String, &tidegate_spec::Output)| OutputPlan {
            name: name.clone(),
            is_file: output.kind() == DataKind::UriFile,
        };
        let outputs = spec.outputs.iter().map(output).collect();
        Ok(Job { spec, template, code, inputs, outputs })
    }

    /// Whether nothing has to be fetched for it.
    pub(crate) fn is_self_contained(&self) -> bool {
        self.code.is_none() && self.inputs.is_empty()
    }

    /// The command with its expressions expanded. `run` is the run's name, `paths` the place of each input.
    pub(crate) fn command(
        &self,
        run: &str,
        folder: &AttemptFolder,
        paths: &[(String, String)],
    ) -> Result<String, String> {
        let value = |reference: &Reference| match reference {
            Reference::Input(name) => self.input_text(name, paths),
            Reference::Output(name) => {
                let output = self.outputs.iter().find(|output| output.name == *name)?;
                Some(output.path(folder).display().to_string())
            }
            Reference::Name => Some(run.to_owned()),
        };
        self.template.render(value).map_err(|error| error.to_string())
    }

    /// An input as a command sees it: a literal's text, or a path.
    pub(crate) fn input_text(&self, name: &str, paths: &[(String, String)]) -> Option<String> {
        match self.spec.inputs.get(name)? {
            Input::Literal(literal) => Some(literal.to_text()),
            Input::Data(_) => paths.iter().find(|(input, _)| input == name).map(|(_, path)| path.clone()),
        }
    }
}

impl OutputPlan {
    /// Where the command writes it.
    pub(crate) fn path(&self, folder: &AttemptFolder) -> std::path::PathBuf {
        let made = folder.output(&self.name);
        if self.is_file { made.join(&self.name) } else { made }
    }
}

fn plan_input(name: &str, input: &Input) -> Option<Result<InputPlan, String>> {
    let data = input.data()?;
    let Some(content) = content(&data.path) else {
        return Some(Err(not_uploaded(&format!("inputs.{name}"))));
    };
    Some(Ok(InputPlan {
        name: name.to_owned(),
        content,
        is_file: data.kind() == DataKind::UriFile || matches!(content, Content::Blob(_)),
        writable: data.mode == Some(InputMode::Download),
    }))
}

fn content(path: &DataPath) -> Option<Content> {
    let DataPath::Blob(address) = path else { return None };
    let (kind, digest) = address.split_once(':')?;
    let digest = digest.parse().ok()?;
    match kind {
        "tree" => Some(Content::Tree(digest)),
        "blob" => Some(Content::Blob(digest)),
        _ => None,
    }
}

fn not_uploaded(key: &str) -> String {
    format!("`{key}` is not the address of an uploaded folder or file: submit the job by `tidegate submit`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::NodeFolder;
    use tidegate_scheduler::ids::Fence;

    fn read(inputs: &str, outputs: &str, command: &str) -> Result<Job, String> {
        let command = serde_json::Value::from(command);
        let body = format!(
            r#"{{"command":{command},"environment":"azureml:e:1","inputs":{{{inputs}}},"outputs":{{{outputs}}}}}"#
        );
        Job::read(body.as_bytes())
    }

    #[test]
    fn inputs_and_outputs_become_texts_and_paths() {
        let digest = Digest::of(b"x");
        let inputs = format!(
            r#""rate":0.1,"data":{{"type":"uri_folder","path":"tree:{digest}"}},"file":{{"type":"uri_file","path":"blob:{digest}","mode":"download"}}"#
        );
        let command = "t ${{inputs.rate}} ${{inputs.data}} ${{inputs.file}} ${{outputs.model}} ${{outputs.one}} ${{name}} $[[--x ${{inputs.none}}]]";
        let job = read(&inputs, r#""model":null,"one":{"type":"uri_file"}"#, command).unwrap();
        assert!(!job.is_self_contained());
        let plan = |name: &str| job.inputs.iter().find(|input| input.name == name).unwrap();
        assert_eq!((plan("data").is_file, plan("data").writable), (false, false));
        assert_eq!((plan("file").is_file, plan("file").writable), (true, true));
        let temp = tempfile::tempdir().unwrap();
        let node = NodeFolder::open(temp.path()).unwrap();
        let folder = node.attempt(Fence(5));
        let paths = [("data".to_owned(), "/in/data".to_owned()), ("file".to_owned(), "/in/file".to_owned())];
        let root = folder.root().display();
        assert_eq!(
            job.command("r1", &folder, &paths).unwrap(),
            format!("t 0.1 /in/data /in/file {root}/named/model {root}/named/one/one r1 ")
        );
    }

    #[test]
    fn what_was_not_uploaded_or_is_no_job_is_refused() {
        let local = read(r#""d":{"path":"./here"}"#, "", "x").unwrap_err();
        assert!(local.contains("`inputs.d`") && local.contains("tidegate submit"), "{local}");
        let remote = read(r#""d":{"path":"https://h/x"}"#, "", "x").unwrap_err();
        assert!(remote.contains("https://h/x"), "{remote}");
        assert!(Job::read(b"{}").unwrap_err().contains("command"));
        assert!(Job::read(b"\xff").is_err());
    }
}
