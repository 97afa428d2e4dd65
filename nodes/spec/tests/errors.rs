//! What people are told about bad files, as text.

use std::fmt::Write as _;

use miette::{GraphicalReportHandler, GraphicalTheme};
use tidegate_spec::{Problem, SpecError, read_file, read_str};

/// The message in one line, then as a terminal shows it.
fn told(error: &SpecError) -> String {
    let mut shown = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(110);
    handler.render_report(&mut shown, error).unwrap();
    format!("{error}\n\n{shown}")
}

fn refused(text: &str) -> SpecError {
    match read_str(text, "job.yml", "/nonexistent") {
        Ok(document) => panic!("accepted: {document:?}"),
        Err(error) => error,
    }
}

const HEAD: &str = "command: echo\nenvironment: azureml:sklearn@latest\n";

#[test]
fn bad_jobs_are_told_where_and_what() {
    let cases = [
        ("unknown key", "enviroment_variables: {A: b}\n"),
        ("unknown key far from any", "frobnicate: 1\n"),
        ("unknown key in a part", "resources:\n  instance_count: 1\n  shm-size: 2g\n"),
        ("unknown key of another framework", "distribution: {type: mpi, worker_count: 2}\n"),
        ("wrong type", "limits:\n  timeout: ten minutes\n"),
        ("text wanted, number found", "display_name: 2024\n"),
        ("a map wanted, nothing found", "inputs:\n"),
        ("out of range", "resources: {instance_count: 0}\n"),
        ("a fraction of a vCPU", "resources: {cpus: 0.5}\n"),
        ("memory without a unit", "resources: {memory: 512}\n"),
        ("not among the allowed", "inputs:\n  data:\n    type: uri_fodler\n    path: data\n"),
        ("a mode that inputs do not have", "inputs: {data: {type: uri_file, path: x, mode: rw_mount}}\n"),
        ("an input without a path", "inputs:\n  data:\n    type: uri_file\n"),
        ("an input's name", "inputs: {my-data: 1}\n"),
        ("a tag that is not text", "tags: {year: 2024}\n"),
        ("a key that YAML reads as a boolean", "environment_variables:\n  ON: x\n"),
        ("the same as Tidegate has one itself", "environment_variables:\n  on: x\n"),
        ("a variable without a value", "environment_variables:\n  TOKEN:\n"),
        ("duplicate key", "tags: {a: b}\ncompute: cpu\ntags: {c: d}\n"),
        ("malformed", "inputs:\n  a: [1, 2\n  b: 3\n"),
        ("tabs", "inputs:\n\ta: 1\n"),
        ("an unknown key of Tidegate's own", "tidegate:\n  max_concurent: 3\n"),
        ("a team that is no name", "tidegate: {team: 7}\n"),
        ("a run to wait for without a list", "tidegate:\n  after: train\n"),
        ("an ending that is none", "tidegate:\n  after:\n    - train\n    - {run: test, on: falied}\n"),
        ("a run to wait for without a name", "tidegate:\n  after: [{on: ended}]\n"),
        ("a run to wait for that is no name", "tidegate:\n  after: [3]\n"),
        ("none at once", "tidegate:\n  max_concurrent: 0\n"),
        ("missing input", "inputs: {epochs: 1}\n"),
    ];
    let mut all = String::new();
    for (title, part) in cases {
        let text = match title {
            "missing input" => {
                format!("environment: azureml:e\ncommand: >-\n  train\n  --n ${{{{inputs.epoch}}}}\n{part}")
            }
            _ => format!("{HEAD}{part}"),
        };
        writeln!(all, "## {title}\n\n{}", told(&refused(&text))).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn bad_documents_are_told_what_they_are() {
    let cases = [
        ("no command", "environment: azureml:e\ncode: src\n"),
        ("no environment", "command: echo\n"),
        ("a reference without its prefix", "command: echo\nenvironment: sklearn:1\n"),
        ("an environment of neither kind", "command: echo\nenvironment: {conda_file: conda.yml}\n"),
        ("a list", "- command: echo\n"),
        ("text", "just text\n"),
        ("empty", "# nothing yet\n"),
        ("two documents", "command: a\n---\ncommand: b\n"),
        ("an unknown type", "type: comand\ncommand: echo\n"),
        ("nothing to tell it by", "name: x\n"),
        ("a pipeline", "type: pipeline\njobs: {}\n"),
        ("a pool's wrong tier", "type: amlcompute\nname: p\ntier: spot\n"),
        ("a pool's order", "type: amlcompute\nname: p\ntidegate:\n  order: strickt\n"),
        ("a pool's team", "type: amlcompute\nname: p\ntidegate: {team: [a, b]}\n"),
        ("a pool upside down", "type: amlcompute\nname: p\nmin_instances: 5\n"),
    ];
    let mut all = String::new();
    for (title, text) in cases {
        writeln!(all, "## {title}\n\n{}", told(&refused(text))).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_bad_environment_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("job.yml", "command: echo\nenvironment: file:envs/e.yml\n");
    let error = read_file(folder.path().join("job.yml")).unwrap_err();
    assert!(matches!(error.problem(), Problem::LocalPath { .. }), "{error}");
    assert_eq!((error.place().line, error.place().column), (Some(2), Some(14)));

    std::fs::create_dir(folder.path().join("envs")).unwrap();
    write("envs/e.yml", "name: e\nimge: x\n");
    let error = read_file(folder.path().join("job.yml")).unwrap_err();
    assert!(
        error.to_string().ends_with("envs/e.yml:2:1: imge: unknown key; did you mean `image`?"),
        "{error}"
    );
}

#[test]
fn files_that_cannot_be_read_are_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.yml");
    assert!(matches!(read_file(&path).unwrap_err().problem(), Problem::Unreadable { .. }));
    assert!(matches!(read_file(folder.path()).unwrap_err().problem(), Problem::NotAFile { .. }));
    std::fs::write(&path, b"command: \xff").unwrap();
    assert!(matches!(read_file(&path).unwrap_err().problem(), Problem::NotUtf8 { .. }));
    std::fs::File::create(&path).unwrap().set_len(50_000_000).unwrap();
    let error = read_file(&path).unwrap_err();
    assert!(
        error.to_string().ends_with("job.yml: is too large: 50000000 bytes, the limit is 1048576 bytes"),
        "{error}"
    );
}

#[test]
fn a_secret_is_not_told() {
    let error = refused("type: amlcompute\nname: p\nssh_settings: {admin_password: 7331}\n");
    assert_eq!(error.place().line, Some(3));
    for text in [told(&error), format!("{error:?}")] {
        assert!(!text.contains("7331"), "{text}");
    }
    let text = "type: amlcompute\nname: p\nssh_settings: {admin_password: hunter2}\n";
    let pool = read_str(text, "pool.yml", "/nonexistent").unwrap();
    assert!(!format!("{pool:?}").contains("hunter2"), "{pool:?}");
}
