//! The core is pure: what no line in `scheduler/src` may name. `scheduler/clippy.toml` says the same to the compiler, by
//! path; this finds it in macros and in code that is not compiled, too.

use crate::{refuse, tree};

/// Never in code, neither production nor unit tests: what it is, and what stands for it.
const WORDS: [(&str, &str); 22] = [
    ("Instant::now", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("thread_rng", "chance is seeded by the log index"),
    ("rand::random", "chance is seeded by the log index"),
    ("rand::rng", "chance is seeded by the log index"),
    ("from_os_rng", "chance is seeded by the log index"),
    ("from_entropy", "chance is seeded by the log index"),
    ("std::thread", "the core is one value on its driver's thread"),
    ("std::fs", "reading and writing is the driver's"),
    ("std::net", "the wire is the driver's"),
    ("std::env", "settings are arguments"),
    ("std::process", "processes are the driver's"),
    ("thread_local!", "the core is one value"),
    ("HashMap", "its order differs from run to run; use BTreeMap or Pages"),
    ("HashSet", "its order differs from run to run; use BTreeSet or Pages"),
    ("DashMap", "the core is one value on one thread"),
    ("async fn", "the core never awaits"),
    (".await", "the core never awaits"),
    ("tokio", "the core knows no runtime"),
    ("actix", "the core knows no runtime"),
    ("println!", "what goes outside is an Effect, or a tracing event"),
    ("unsafe ", "nothing in the core needs it"),
];

#[test]
fn the_core_is_pure() {
    let mut offenders = Vec::new();
    let files = tree::files(".rs").into_iter().filter(|file| file.path.starts_with("scheduler/src/"));
    let mut seen = 0;
    for file in files {
        seen += 1;
        for (line, text) in file.code() {
            // Which bug is switched on is a matter of the thread that plays a seed, in builds with mutants alone.
            let allowed = |word: &str| word == "thread_local!" && file.path.ends_with("src/mutants.rs");
            let found = WORDS.iter().filter(|(word, _)| text.contains(word) && !allowed(word));
            offenders.extend(found.map(|(word, why)| format!("{}:{line}: {word}: {why}", file.path)));
        }
    }
    assert!(seen > 20, "only {seen} files found in scheduler/src");
    refuse(
        "scheduler/ reads no clock, does no I/O, starts no thread, awaits nothing, draws nothing unseeded",
        "Take it as an argument of `Core::step`, or say it as an `Effect` and be told by an `Input`.",
        &offenders,
    );
}

/// Only `scheduler/src/consensus` names raft's types, only `transport` names quinn or rustls, only `nodes/controller`,
/// `nodes/worker` and `nodes/gateway` name actix or dashmap (and the binary, which starts their runtime).
#[test]
fn each_library_has_its_place() {
    let places: [(&[&str], &[&str]); 4] = [
        (&["raft::", "raft_proto::", "eraftpb::"], &["scheduler/src/consensus/"]),
        (&["quinn::", "quinn_proto::", "rustls::"], &["transport/"]),
        (
            &["actix::", "actix_rt::", "dashmap::"],
            &["nodes/controller/", "nodes/worker/", "nodes/gateway/", "nodes/cli/"],
        ),
        (&["rusqlite::"], &["nodes/store/"]),
    ];
    let mut offenders = Vec::new();
    for file in tree::files(".rs").iter().filter(|file| !file.path.starts_with("tests/")) {
        for (names, rooms) in places {
            if rooms.iter().any(|room| file.path.starts_with(room)) {
                continue;
            }
            for (line, text) in file.code() {
                if names.iter().any(|name| starts_path(text, name)) {
                    offenders.push(format!(
                        "{}:{line}: {}: belongs to {}",
                        file.path,
                        text.trim(),
                        rooms.join(", ")
                    ));
                }
            }
        }
    }
    refuse(
        "a library is named only where the architecture says",
        "Move the line there (ARCHITECTURE.md, \"Where a line belongs\"), or pass a value in its place.",
        &offenders,
    );
}

/// Whether the text names the path, and not another one that ends like it.
fn starts_path(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn paths_are_told_apart() {
    assert!(starts_path("use quinn::Endpoint;", "quinn::"));
    assert!(starts_path("(rustls::Error)", "rustls::"));
    assert!(!starts_path("crate::raft::x", "raft::"));
    assert!(!starts_path("my_raft::x", "raft::"));
}
