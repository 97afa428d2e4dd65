//! Drivers match every `Effect` and every `Input`: a new one must not compile until each driver has said what it does.
//!
//! Read from the formatted text: a match's arms are four columns deeper than its `match`.

use crate::{
    refuse,
    tree::{self, File},
};

/// The closed enums that cross between the core and its drivers.
const CLOSED: [&str; 4] = ["Effect::", "Input::", "ProviderEvent::", "ClientCommand::"];

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether an arm takes whatever is left: `_`, or a name for all of it.
fn takes_the_rest(arm: &str) -> bool {
    let Some((pattern, _)) = arm.split_once("=>") else { return false };
    let pattern = pattern.split(" if ").next().unwrap_or(pattern).trim();
    pattern.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && pattern.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The lines of arms that take the rest of a closed enum.
fn wildcards(file: &File) -> Vec<(usize, &str)> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !line.trim_end().ends_with('{') || !line.contains("match ") || line.trim_start().starts_with("//")
        {
            continue;
        }
        let depth = indent(line);
        let block = lines[at + 1..].iter().take_while(|line| line.is_empty() || indent(line) > depth);
        let arms: Vec<(usize, &str)> = block
            .enumerate()
            .map(|(below, line)| (at + 2 + below, *line))
            .filter(|(_, line)| indent(line) == depth + 4)
            .collect();
        let pattern = |line: &str| line.trim_start().trim_start_matches("| ").to_owned();
        if arms.iter().any(|(_, arm)| CLOSED.iter().any(|name| pattern(arm).starts_with(name))) {
            found.extend(arms.into_iter().filter(|(_, arm)| takes_the_rest(arm.trim())));
        }
    }
    found
}

#[test]
fn every_effect_and_input_is_matched_by_name() {
    let mut offenders = Vec::new();
    let (mut matches, folders) = (0, ["scheduler/src/", "nodes/", "sim/"]);
    for file in
        tree::files(".rs").iter().filter(|file| folders.iter().any(|folder| file.path.starts_with(folder)))
    {
        if !file.is_production() || file.path.ends_with("/tests.rs") {
            continue;
        }
        matches += file.code().filter(|(_, line)| line.trim_start().starts_with("Effect::")).count();
        offenders.extend(
            wildcards(file).iter().map(|(line, arm)| format!("{}:{line}: {}", file.path, arm.trim())),
        );
    }
    assert!(matches > 0, "no driver matches an Effect: has the enum another name?");
    refuse(
        "drivers match every Effect and Input by name",
        "Write out the variants: what is added to the enum must be thought of here.",
        &offenders,
    );
}

#[test]
fn wildcards_are_seen() {
    let text = "fn f() {\n    match effect {\n        Effect::A => 1,\n        Effect::B { x } => {\n            match x {\n                \
                _ => 2,\n            }\n        }\n        other => 3,\n    }\n    match n {\n        _ => 4,\n    }\n}\n";
    let file = File { path: String::new(), text: text.to_owned() };
    assert_eq!(wildcards(&file), [(9, "        other => 3,")]);
}
