//! Who may depend on whom, read from `cargo metadata`.

use std::{collections::BTreeSet, process::Command};

use serde::Deserialize;

use crate::{refuse, tree};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

impl Package {
    /// What it is built with, tests aside.
    fn needs(&self) -> impl Iterator<Item = &str> {
        self.dependencies.iter().filter(|on| on.kind.as_deref() != Some("dev")).map(|on| on.name.as_str())
    }
}

/// The crates of the workspace.
fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(tree::root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo's metadata is JSON");
    metadata.packages
}

/// A crate of ours, its folder, and the crates of ours that it may be built with.
///
/// `scheduler` is the language that all of them speak: its types of ids, commands and resources.
const OURS: &[(&str, &str, &[&str])] = &[
    ("tidegate-scheduler", "scheduler", &[]),
    ("tidegate-transport", "transport", &[]),
    ("tidegate-sim", "sim", &["scheduler"]),
    ("tidegate-spec", "nodes/spec", &["scheduler"]),
    ("tidegate-provider", "nodes/provider", &["scheduler"]),
    ("tidegate-store", "nodes/store", &["scheduler"]),
    ("tidegate-worker", "nodes/worker", &["transport", "spec", "store", "scheduler"]),
    ("tidegate-controller", "nodes/controller", &["scheduler", "transport", "spec", "provider", "store"]),
    ("tidegate-gateway", "nodes/gateway", &["controller", "spec", "store", "scheduler"]),
    (
        "tidegate",
        "nodes/cli",
        &["controller", "worker", "provider", "store", "gateway", "spec", "scheduler", "transport", "sim"],
    ),
    (
        "tidegate-tests",
        "tests",
        &["controller", "worker", "provider", "store", "gateway", "spec", "scheduler", "transport", "sim"],
    ),
    ("tidegate-bench", "tests/bench", &["tests", "scheduler"]),
];

#[test]
fn crates_depend_only_downwards() {
    let mut offenders = Vec::new();
    for package in packages() {
        let Some((_, folder, allowed)) = OURS.iter().find(|(name, _, _)| *name == package.name) else {
            offenders.push(format!("{}: not in the list of crates", package.name));
            continue;
        };
        if !package.manifest_path.ends_with(&format!("/{folder}/Cargo.toml")) {
            offenders.push(format!("{}: is at {}, not in {folder}/", package.name, package.manifest_path));
        }
        let ours = package.needs().filter_map(|name| name.strip_prefix("tidegate-"));
        offenders.extend(
            ours.filter(|name| !allowed.contains(name)).map(|name| format!("{}: on {name}", package.name)),
        );
    }
    refuse(
        "a crate depends on crates below it alone",
        "Move the line to where it belongs (ARCHITECTURE.md), or pass a value through the crate between.",
        &offenders,
    );
}

#[test]
fn the_core_depends_on_little() {
    let allowed = BTreeSet::from([
        "serde",
        "serde_bytes",
        "rmp-serde",
        "raft",
        "protobuf",
        "slog",
        "rand",
        "rand_chacha",
        "thiserror",
        "tracing",
    ]);
    let packages = packages();
    let core =
        packages.iter().find(|package| package.name == "tidegate-scheduler").expect("the core is there");
    let beyond = core.needs().filter(|name| !allowed.contains(name)).map(str::to_owned);
    refuse(
        "scheduler/ depends on nothing that could touch the outside",
        "Do it in a driver, or write the few lines.",
        &beyond.collect::<Vec<_>>(),
    );
}

#[test]
fn runtimes_and_catch_all_errors_have_their_places() {
    let places: [(&str, &[&str]); 6] = [
        ("anyhow", &["tidegate", "tidegate-tests", "tidegate-bench"]),
        ("actix", &["tidegate-controller", "tidegate-worker", "tidegate-gateway"]),
        ("dashmap", &["tidegate-controller", "tidegate-worker", "tidegate-gateway"]),
        ("quinn", &["tidegate-transport"]),
        ("rustls", &["tidegate-transport"]),
        ("raft-engine", &["tidegate-controller"]),
    ];
    let mut offenders = Vec::new();
    for package in packages() {
        for (library, at_home) in places {
            if package.needs().any(|name| name == library) && !at_home.contains(&package.name.as_str()) {
                offenders.push(format!("{}: {library} belongs to {}", package.name, at_home.join(", ")));
            }
        }
    }
    refuse("a library stands where the architecture says", "Use what that crate offers.", &offenders);
}

#[test]
fn versions_are_said_once() {
    let mut offenders = Vec::new();
    for file in tree::files("Cargo.toml").iter().filter(|file| {
        // The fuzz targets are a workspace of their own.
        file.path != "Cargo.toml" && !file.path.starts_with("fuzz/")
    }) {
        let mut in_dependencies = false;
        for (at, line) in file.text.lines().enumerate() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies");
            }
            let says = in_dependencies && line.contains('=') && !line.trim_start().starts_with('#');
            if says && !line.contains("workspace") {
                offenders.push(format!("{}:{}: {line}", file.path, at + 1));
            }
        }
    }
    refuse(
        "a dependency's version and reason stand in the root Cargo.toml",
        "Declare it there with its reason, and take it with `workspace = true`.",
        &offenders,
    );
}
