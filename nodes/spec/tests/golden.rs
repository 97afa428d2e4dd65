//! The reading of real files equals the real client's: every file that it accepted, part by part.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tidegate_spec::{CommandJob, Document, PoolSpec, read_file, rest_body};

struct Row {
    path: String,
    kind: String,
    accepted: bool,
}

fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("TIDEGATE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let azureml = root.join("azureml");
    if azureml.join("dev.tsv").is_file() {
        return Some(azureml);
    }
    println!("skipped: no azureml/dev.tsv (set TIDEGATE_SHARED)");
    None
}

fn rows(azureml: &Path) -> Vec<Row> {
    let table = std::fs::read_to_string(azureml.join("dev.tsv")).unwrap();
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        Row { path: columns[0].to_owned(), kind: columns[1].to_owned(), accepted: columns[3] == "OK" }
    };
    table.lines().skip(1).map(row).collect()
}

/// The last request that creates the thing.
fn golden(azureml: &Path, row: &Row, under: &str) -> Value {
    let path = azureml.join("golden").join(format!("{}.json", row.path));
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let requests = recorded["requests"].as_array().unwrap();
    let creates = |request: &&Value| {
        request["method"] == "PUT" && request["path"].as_str().is_some_and(|path| path.contains(under))
    };
    requests.iter().rfind(creates).unwrap_or_else(|| panic!("{}: no PUT", row.path))["body"].clone()
}

/// A generated display name, such as `mango_rail_58b6t5zypy`.
fn is_generated(name: &Value) -> bool {
    let parts: Vec<&str> = name.as_str().unwrap_or_default().split('_').collect();
    parts.len() == 3 && parts[2].len() == 10
}

/// An id or address and ours mean the same thing when the last part is the same name: what comes before it is
/// the service's choice.
fn same_by_role(wanted: &Value, got: &Value) -> bool {
    let last = |value: &Value| {
        let text = value.as_str().unwrap_or_default().trim_end_matches('/');
        text.rsplit(['/', ':']).next().unwrap_or_default().to_owned()
    };
    wanted == got || last(wanted) == last(got)
}

fn compare_job(row: &Row, mut wanted: Value, mut got: Value) {
    let (wanted, got) = (wanted.as_object_mut().unwrap(), got.as_object_mut().unwrap());
    if wanted.get("displayName").is_some_and(is_generated) {
        wanted.remove("displayName");
        assert_eq!(got.remove("displayName"), None, "{}", row.path);
    }
    let (code, has_code) = (wanted.remove("codeId"), got.remove("codeId"));
    assert_eq!(code.is_some(), has_code.is_some(), "{}: codeId", row.path);
    let environment = (wanted.remove("environmentId").unwrap(), got.remove("environmentId").unwrap());
    let anonymous = |id: &Value| id.as_str().is_some_and(|id| id.contains("CliV2AnonymousEnvironment"));
    assert_eq!(anonymous(&environment.0), anonymous(&environment.1), "{}: environmentId", row.path);
    assert!(anonymous(&environment.0) || environment.0 == environment.1, "{}: {environment:?}", row.path);
    match (wanted.remove("computeId"), got.remove("computeId")) {
        (Some(wanted), Some(got)) => assert!(same_by_role(&wanted, &got), "{}: {wanted} {got}", row.path),
        (wanted, got) => assert_eq!(wanted, got, "{}: computeId", row.path),
    }
    let names = |side: &serde_json::Map<String, Value>| {
        side["inputs"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    for name in names(wanted) {
        let uri = wanted["inputs"][&name].get("uri").cloned();
        // A local path is uploaded by the client, which makes an address of it.
        if uri.as_ref().is_some_and(|uri| uri.as_str().is_some_and(|uri| uri.contains("/LocalUpload/"))) {
            let ours = got["inputs"][&name]["uri"].clone();
            assert!(same_by_role(uri.as_ref().unwrap(), &ours), "{}: {name}: {uri:?} {ours}", row.path);
            got["inputs"][&name]["uri"] = uri.unwrap();
        }
    }
    // Everything else is equal, to the last key.
    assert_eq!(wanted, got, "{}", row.path);
}

#[test]
fn every_accepted_command_job_is_read_as_the_real_client_reads_it() {
    let Some(azureml) = shared() else { return };
    let mut compared = 0;
    for row in rows(&azureml).iter().filter(|row| row.kind == "job.command" && row.accepted) {
        let wanted = golden(&azureml, row, "/jobs/")["properties"].clone();
        let document = read_file(azureml.join("examples").join(&row.path)).unwrap_or_else(|e| panic!("{e}"));
        compare_job(row, wanted, rest_body(&document)["properties"].clone());
        let Document::Command(job) = document else { panic!("{}: not a job", row.path) };
        assert_round_trip(&job);
        compared += 1;
    }
    assert!(compared > 10, "only {compared} jobs were compared");
}

fn assert_round_trip(job: &CommandJob) {
    let text = serde_json::to_string(job).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(&CommandJob::from_json(&value).unwrap(), job);
    assert_eq!(&CommandJob::from_json_bytes(text.as_bytes()).unwrap(), job);
    assert_eq!(&serde_json::from_str::<CommandJob>(&text).unwrap(), job);
    assert_eq!(serde_json::to_string(&CommandJob::from_json(&value).unwrap()).unwrap(), text);
}

#[test]
fn every_accepted_pool_is_read_as_the_real_client_reads_it() {
    let Some(azureml) = shared() else { return };
    let mut compared = 0;
    for row in rows(&azureml).iter().filter(|row| row.kind == "compute.amlcompute" && row.accepted) {
        let document = read_file(azureml.join("examples").join(&row.path)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(rest_body(&document), golden(&azureml, row, "/computes/"), "{}", row.path);
        let Document::Pool(pool) = document else { panic!("{}: not a pool", row.path) };
        let value = serde_json::to_value(&*pool).unwrap();
        assert_eq!(PoolSpec::from_json(&value).unwrap(), *pool);
        compared += 1;
    }
    assert!(compared > 3, "only {compared} pools were compared");
}

#[test]
fn every_other_file_is_recognised_and_refused_by_its_kind() {
    let Some(azureml) = shared() else { return };
    let mut wrong = Vec::new();
    for row in
        rows(&azureml).iter().filter(|row| !matches!(row.kind.as_str(), "job.command" | "compute.amlcompute"))
    {
        let path = azureml.join("examples").join(&row.path);
        match read_file(&path) {
            Ok(document) => wrong.push(format!("{} ({}): read as {}", row.path, row.kind, document.kind())),
            Err(error) => {
                let text = error.to_string();
                if !text.contains(&format!("is of kind `{}`", row.kind)) || !text.contains(&row.path) {
                    wrong.push(format!("{} ({}): {text}", row.path, row.kind));
                }
                assert!(error.is_unsupported() || !row.accepted, "{text}");
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
