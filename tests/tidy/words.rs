//! Words that stand nowhere: names that say nothing, marks of unfinished work, places of somebody's machine.

use crate::{refuse, tree};

#[test]
fn modules_are_named_for_an_idea() {
    let banned = ["util", "utils", "common", "helper", "helpers", "misc", "stuff"];
    let parts = |path: &str| path.trim_end_matches(".rs").split('/').map(str::to_owned).collect::<Vec<_>>();
    let offenders: Vec<String> = tree::files(".rs")
        .into_iter()
        .filter(|file| parts(&file.path).iter().any(|part| banned.contains(&part.as_str())))
        .map(|file| file.path)
        .collect();
    refuse(
        &format!("no module is named {}", banned.join(", ")),
        "Name it for the one idea that it holds; where it holds several, split it.",
        &offenders,
    );
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = [
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("#[ign", "ore]"),
        concat!("dbg", "!("),
    ];
    let mut offenders = Vec::new();
    for file in tree::all().iter().filter(|file| !file.path.ends_with(".lock")) {
        for (at, line) in file.text.lines().enumerate() {
            let found = marks.iter().filter(|mark| line.contains(*mark));
            offenders.extend(found.map(|mark| format!("{}:{}: {mark}", file.path, at + 1)));
        }
    }
    refuse(
        "nothing is left unfinished or switched off",
        "Do it, or leave it out and say so where users read.",
        &offenders,
    );
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let places = [
        concat!("/wo", "rk/"),
        concat!("arti", "factory"),
        concat!("index.", "crates.io"),
        concat!("static.", "crates.io"),
        concat!("pypi", ".org"),
        concat!("python", "hosted.org"),
        concat!("deb.", "debian.org"),
        concat!("registry.", "npmjs.org"),
    ];
    let mut offenders = Vec::new();
    for file in tree::all() {
        for (at, line) in file.text.lines().enumerate() {
            let found = places.iter().filter(|place| line.contains(*place));
            offenders.extend(found.map(|place| format!("{}:{}: {place}", file.path, at + 1)));
        }
    }
    refuse(
        "no file names a place of somebody's machine, or a registry's host",
        "Take it from an argument, the environment or a relative path; leave hosts to the package client's settings.",
        &offenders,
    );
}

#[test]
fn a_test_that_is_left_out_is_part_of_another() {
    let mark = concat!("#[ign", "ore = ");
    let mut offenders = Vec::new();
    for file in tree::files(".rs") {
        let left_out = file.code().filter(|(_, line)| line.trim_start().starts_with(mark));
        let others = left_out.filter(|(_, line)| !line.contains("start"));
        offenders.extend(others.map(|(line, text)| format!("{}:{line}: {}", file.path, text.trim())));
    }
    refuse(
        "a test is left out only where another one starts it as a process, and says which",
        "Let it run always, or say `started by` and the other's name.",
        &offenders,
    );
}
