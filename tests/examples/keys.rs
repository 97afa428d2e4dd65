//! The examples together use every key that can be used.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use tidegate_spec::{Problem, read_str};

use crate::{files, refused};

/// A key that no schema has: the error about it lists those that it could have been.
const PROBE: &str = "no-such-key-anywhere";

/// A map of a job whose keys are checked: its name here, and a job with the probe in it.
const JOB_PLACES: [(&str, &str); 9] = [
    ("", "PROBE: 1"),
    ("resources", "resources: {PROBE: 1}"),
    ("limits", "limits: {PROBE: 1}"),
    ("queue_settings", "queue_settings: {PROBE: 1}"),
    ("tidegate", "tidegate: {PROBE: 1}"),
    ("distribution", "distribution: {type: pytorch, PROBE: 1}"),
    ("inputs", "inputs: {a: {path: x, PROBE: 1}}"),
    ("outputs", "outputs: {a: {PROBE: 1}}"),
    ("environment", "environment: {image: x, PROBE: 1}"),
];

/// Every key that the reader knows there.
fn known(text: &str) -> BTreeSet<String> {
    let text = text.replace("PROBE", PROBE);
    let error = read_str(&text, "f.yml", "/").expect_err("the probe is no key");
    match error.problem() {
        Problem::UnknownKey { known, .. } => known.iter().map(|key| (*key).to_owned()).collect(),
        other => panic!("{text}: {other}"),
    }
}

/// The keys of the examples' maps at a place.
fn used(documents: &[Value], place: &str) -> BTreeSet<String> {
    let maps = documents.iter().filter_map(|document| match place {
        "" => Some(vec![document]),
        // Maps by names of the user's own.
        "inputs" | "outputs" => Some(document[place].as_object()?.values().collect()),
        _ => Some(vec![&document[place]]),
    });
    let objects = maps.flatten().filter_map(Value::as_object);
    objects.flat_map(|map| map.keys().cloned()).collect()
}

/// The examples of jobs, or of pools.
fn documents(pools: bool) -> Vec<Value> {
    let texts = files::all().into_iter().map(|path| fs::read_to_string(path).expect("it can be read"));
    let all = texts.map(|text| serde_saphyr::from_str::<Value>(&text).expect("it is YAML"));
    all.filter(|document| (document["type"] == "amlcompute") == pools).collect()
}

#[test]
fn the_examples_use_every_key_of_jobs() {
    let documents = documents(false);
    let mut missing = Vec::new();
    for (place, probe) in JOB_PLACES {
        let rest = if place == "environment" { "" } else { "environment: azureml:e\n" };
        let used = used(&documents, place);
        for key in known(&format!("command: x\n{rest}{probe}\n")) {
            let refused = refused::JOB.iter().any(|(of, name, _)| *of == place && *name == key)
                || (place == "environment" && refused::ENVIRONMENT_WITHOUT_EFFECT.contains(&key.as_str()));
            if !refused && !used.contains(&key) {
                missing.push(format!("{place}.{key}"));
            }
        }
    }
    assert!(missing.is_empty(), "no job file in examples/ uses {}", missing.join(", "));
}

#[test]
fn the_examples_use_every_key_of_pools() {
    let used = used(&documents(true), "");
    let known = known("type: amlcompute\nname: p\nPROBE: 1\n");
    let missing: Vec<&String> = known
        .iter()
        .filter(|key| !refused::POOL.iter().any(|(name, _)| name == key) && !used.contains(*key))
        .collect();
    assert!(missing.is_empty(), "no pool file in examples/ uses {missing:?}");
}
