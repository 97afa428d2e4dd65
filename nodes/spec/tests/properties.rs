//! What holds for every input: reading returns, and what is written reads back.

use proptest::prelude::*;
use tidegate_spec::{CommandJob, Document, fuzz_read, read_str};

/// Lines that look like a job's, so that random ones get past the first key.
fn line() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "command",
        "environment",
        "inputs",
        "outputs",
        "tags",
        "resources",
        "limits",
        "code",
        "compute",
        "services",
        "distribution",
        "queue_settings",
        "identity",
        "tidegate",
        "type",
        "$schema",
        "name",
        "  a",
        "  b",
        "    path",
        "  type",
    ]);
    let value = prop_oneof![
        Just("azureml:e".to_owned()),
        Just("${{inputs.a}} $[[ ${{outputs.b}} ]]".to_owned()),
        Just("{a: 1, b: [x, {c: d}]}".to_owned()),
        Just("&x {a: *x}".to_owned()),
        Just("|".to_owned()),
        Just("{path: x, type: uri_file}".to_owned()),
        Just(String::new()),
        "[ -~]{0,20}",
        any::<f64>().prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
    ];
    (key, value).prop_map(|(key, value)| format!("{key}: {value}\n"))
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz_read(&bytes);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        fuzz_read(text.as_bytes());
    }

    #[test]
    fn anything_like_a_job_is_read_or_refused(lines in prop::collection::vec(line(), 0..12)) {
        fuzz_read(lines.concat().as_bytes());
    }

    #[test]
    fn any_command_is_read_or_refused(command in "[$\\[\\]{}a-z. é]{0,40}") {
        let text = format!("command: '{command}'\nenvironment: azureml:e\n");
        fuzz_read(text.as_bytes());
    }

    #[test]
    fn a_job_comes_back_from_json_as_it_went(
        number in any::<i64>(),
        float in any::<f64>().prop_filter("finite", |float| float.is_finite()),
        flag in any::<bool>(),
        text in "[ -~]{0,20}",
        timeout in 0u32..100_000,
        retries in 0u32..1000,
        mebibytes in 1u64..1_000_000,
    ) {
        let quoted = text.replace('\'', "''");
        let yaml = format!(
            "command: run\nenvironment: azureml:e\ninputs:\n  n: {number}\n  f: {float:?}\n  b: {flag}\n  t: '{quoted}'\n  \
             d: {{path: ./x, type: uri_folder}}\nenvironment_variables: {{T: '{quoted}'}}\nlimits: {{timeout: {timeout}}}\n\
             resources: {{cpus: 1, memory: {mebibytes}Mi}}\ntidegate: {{retries: {retries}, on_disconnect: stop, team: t, max_concurrent: 3,\n  \
             after: [a, {{run: b, on: Failed}}, {{run: c}}]}}\n"
        );
        let Ok(Document::Command(job)) = read_str(&yaml, "job.yml", "/nonexistent") else {
            return Err(TestCaseError::fail(format!("refused: {yaml}")));
        };
        let body = serde_json::to_vec(&job).unwrap();
        prop_assert_eq!(CommandJob::from_json_bytes(&body).unwrap(), *job);
    }
}

/// The longest documents that are let in do not take long: nothing in reading is quadratic.
#[test]
fn a_document_of_many_parts_is_read() {
    let inputs: String = (0..30_000).map(|n| format!("  i{n}: {n}\n")).collect();
    let command: String = (0..20_000).map(|n| format!("${{{{inputs.i{n}}}}} ")).collect();
    let text = format!("command: '{command}'\nenvironment: azureml:e\ninputs:\n{inputs}");
    let Ok(Document::Command(job)) = read_str(&text, "job.yml", "/nonexistent") else { panic!("refused") };
    assert_eq!(job.inputs.len(), 30_000);
    assert_eq!(job.template().unwrap().references().count(), 20_000);
}

#[test]
fn a_body_is_validated_by_the_same_rules_as_a_file() {
    let refused = |body: &str| CommandJob::from_json_bytes(body.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        refused(r#"{"command":"x","environment":"azureml:e","resources":{"cpu":1}}"#),
        "resources.cpu: unknown key; did you mean `cpus`?"
    );
    assert_eq!(
        refused(r#"{"command":1,"environment":"azureml:e"}"#),
        "command: expected text, found the number 1"
    );
    assert_eq!(refused(r#"{"command":"x"}"#), "environment: required, but missing");
    assert!(refused(r#"{"command":"x","command":"y"}"#).contains("given twice"));
    assert!(refused("{").starts_with("malformed: "));
    assert!(refused(&"[".repeat(100_000)).starts_with("malformed: "));
    assert!(refused(&" ".repeat(2_000_000)).starts_with("is too large: "));
    assert!(refused(r#"{"command":"x","environment":"file:e.yml"}"#).contains("a body has no folder"));
}

#[test]
fn a_body_has_the_files_keys_in_order_and_nothing_empty() {
    let yaml = "environment: {image: i, build: }\ncommand: x\n";
    assert!(read_str(yaml, "job.yml", "/nonexistent").is_err());
    let yaml = "tags: {b: '1', a: }\ncommand: echo ${{inputs.z}}\nenvironment: azureml:e:1\ninputs:\n  z: 1.0\n  a: {path: d}\n";
    let Ok(Document::Command(job)) = read_str(yaml, "job.yml", "/nonexistent") else { panic!("refused") };
    assert_eq!(
        serde_json::to_string(&job).unwrap(),
        r#"{"tags":{"b":"1","a":null},"command":"echo ${{inputs.z}}","inputs":{"z":1.0,"a":{"path":"d"}},"environment":"azureml:e:1"}"#
    );
}
