//! Every key that the real client's schemas accept is known, and known where it belongs.

use std::collections::BTreeSet;

use crate::fields::Shape;
use crate::job::shapes as job;
use crate::pool;

const TSV: &str = "azureml/schema-fields.tsv";

fn table() -> Option<String> {
    let root = std::env::var("TIDEGATE_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    match std::fs::read_to_string(format!("{root}/{TSV}")) {
        Ok(text) => Some(text),
        Err(_) => {
            println!("skipped: no {TSV} (set TIDEGATE_SHARED)");
            None
        }
    }
}

/// The shapes whose keys stand under a prefix of the schema; several where the schema is a union.
fn shapes(root: &str, prefix: &str) -> Option<Vec<&'static Shape>> {
    Some(match (root, prefix) {
        ("job.command", "") => vec![&job::JOB],
        ("job.command", "services.*") => vec![&job::SERVICE],
        ("job.command", "identity") => vec![&job::IDENTITY],
        ("job.command", "environment") => vec![&job::ENVIRONMENT],
        ("job.command", "environment.build") => vec![&job::BUILD],
        ("job.command", "environment.inference_config") => vec![&job::ROUTES],
        ("job.command", p) if p.starts_with("environment.inference_config.") => vec![&job::ROUTE],
        ("job.command", "resources") => vec![&job::RESOURCES],
        ("job.command", "distribution") => vec![&job::PROCESSES, &job::TENSORFLOW, &job::RAY],
        ("job.command", "limits") => vec![&job::LIMITS],
        ("job.command", "inputs.*") => vec![&job::INPUT],
        ("job.command", "outputs.*") => vec![&job::OUTPUT],
        ("compute.amlcompute", "") => vec![&pool::SHAPE],
        ("compute.amlcompute", "ssh_settings") => vec![&pool::SSH],
        ("compute.amlcompute", "network_settings") => vec![&pool::NETWORK],
        ("compute.amlcompute", "identity") => vec![&pool::IDENTITY],
        ("compute.amlcompute", "identity.user_assigned_identities[]") => vec![&pool::USER_ASSIGNED],
        _ => return None,
    })
}

#[test]
fn every_key_of_the_real_schemas_is_known() {
    let Some(table) = table() else { return };
    let mut checked = 0;
    let mut elsewhere = BTreeSet::new();
    for row in table.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [root, path, _, _, dump_only, ..] = columns[..] else { panic!("{row}") };
        if !matches!(root, "job.command" | "compute.amlcompute") || path.ends_with(".*") {
            continue;
        }
        let (prefix, key) = path.rsplit_once('.').unwrap_or(("", path));
        let Some(shapes) = shapes(root, prefix) else {
            elsewhere.insert(path.to_owned());
            continue;
        };
        if path == "inputs.*.value" {
            continue; // `{value: X}` is another way of writing the literal X.
        }
        let known = shapes.iter().any(|shape| match dump_only {
            // `$schema` is read-only in the schema's words, and a key that means something in ours.
            // An environment's `id` is a union of read-only fields, which the table does not show.
            _ if path == "environment.id" => shape.read_only.contains(&key),
            "True" => shape.read_only.contains(&key) || shape.known.contains(&key),
            _ => shape.known.contains(&key),
        });
        assert!(known, "{root}: {path} is not known");
        checked += 1;
    }
    assert!(checked > 90, "only {checked} keys were checked");
    // What has no shape of its own: read-only maps, and the second way of writing environment variables.
    elsewhere.retain(|path| {
        !path.starts_with("creation_context.") && !path.starts_with("environment.creation_context.")
    });
    assert_eq!(elsewhere.into_iter().collect::<Vec<_>>(), ["environment_variables.value"]);
}

#[test]
fn tidegates_own_keys_are_few_and_do_not_shadow_azures() {
    let Some(table) = table() else { return };
    let azure: BTreeSet<&str> = table
        .lines()
        .filter_map(|row| row.strip_prefix("job.command\t"))
        .filter_map(|row| row.split('\t').next())
        .collect();
    let own = |shape: &Shape, prefix: &str| -> Vec<&str> {
        shape.known.iter().copied().filter(|key| !azure.contains(format!("{prefix}{key}").as_str())).collect()
    };
    assert_eq!(own(&job::JOB, ""), ["tidegate"]);
    assert_eq!(own(&job::RESOURCES, "resources."), ["cpus", "memory", "gpus"]);
}

#[test]
fn what_a_run_stands_beside_is_read() {
    let text = "command: x\nenvironment: azureml:e\ntidegate:\n  team: nlp\n  max_concurrent: 4\n  after:\n    - a\n    - {run: b, on: failed}\n";
    let crate::Document::Command(job) = crate::read_str(text, "f.yml", "/").unwrap() else { panic!("a job") };
    let own = &job.tidegate;
    assert_eq!((own.team.as_deref(), own.max_concurrent), (Some("nlp"), Some(4)));
    let after: Vec<_> = own.after.iter().map(|after| (after.run.as_str(), after.on)).collect();
    assert_eq!(after, [("a", crate::DependsOn::Completed), ("b", crate::DependsOn::Failed)]);
    let json = serde_json::to_value(own).unwrap();
    assert_eq!(json["after"], serde_json::json!(["a", {"run": "b", "on": "failed"}]));
}

#[test]
fn a_pools_team_and_order_are_not_its_providers() {
    let text = "type: amlcompute\nname: p\ntidegate: {team: nlp, order: Strict, seed: 7}\n";
    let crate::Document::Pool(pool) = crate::read_str(text, "f.yml", "/").unwrap() else { panic!("a pool") };
    assert_eq!((pool.team(), pool.order()), (Some("nlp"), pool::QueueOrder::Strict));
    assert_eq!(serde_json::json!(pool.provider()), serde_json::json!({"seed": 7}));
    let bare = "type: amlcompute\nname: p\ntidegate: {order: fair}\n";
    let crate::Document::Pool(pool) = crate::read_str(bare, "f.yml", "/").unwrap() else { panic!("a pool") };
    assert_eq!((pool.team(), pool.order(), pool.provider()), (None, pool::QueueOrder::Fair, None));
}

#[test]
fn a_pools_provider_settings_are_passed_on_as_they_are() {
    let text = "type: amlcompute\nname: p\ntidegate: {boot_delay_s: 0.5, kind: local}\n";
    let crate::Document::Pool(pool) = crate::read_str(text, "f.yml", "/").unwrap() else { panic!("a pool") };
    let json = serde_json::to_value(&*pool).unwrap();
    assert_eq!(json["tidegate"], serde_json::json!({"boot_delay_s": 0.5, "kind": "local"}));
    assert_eq!(crate::PoolSpec::from_json(&json).unwrap().tidegate, pool.tidegate);
    let wrong = "type: amlcompute\nname: p\ntidegate: fast\n";
    let error = crate::read_str(wrong, "f.yml", "/").unwrap_err().to_string();
    assert!(error.contains("f.yml:3:11") && error.contains("a map"), "{error}");
}
