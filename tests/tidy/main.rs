//! The repository's own lint: house rules that no compiler knows. Each test is one rule; it names every place that
//! breaks it and says what to do there.

mod dependencies;
mod documents;
mod drivers;
mod functions;
mod purity;
mod rooms;
mod tree;
mod words;

/// Fails with every offender and what is to be done, if there is one.
#[track_caller]
fn refuse(rule: &str, remedy: &str, offenders: &[String]) {
    assert!(
        offenders.is_empty(),
        "\n{rule}; {} offending:\n  {}\n{remedy}\n",
        offenders.len(),
        offenders.join("\n  ")
    );
}
