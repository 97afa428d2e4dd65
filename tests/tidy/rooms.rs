//! A file has one idea: how long files are.

use crate::{refuse, tree};

const LONGEST: usize = 600;
const NINE_IN_TEN: usize = 400;
const MEDIAN: usize = 150;

#[test]
fn no_file_is_longer_than_600_lines() {
    let long = tree::files(".rs").into_iter().filter(|file| file.lines() > LONGEST);
    let offenders: Vec<String> = long.map(|file| format!("{}: {} lines", file.path, file.lines())).collect();
    refuse(
        "no Rust file has more than 600 lines",
        "Split it by idea, and name each part for its idea.",
        &offenders,
    );
}

#[test]
fn most_files_are_short() {
    let mut production: Vec<(usize, String)> = tree::files(".rs")
        .into_iter()
        .filter(tree::File::is_production)
        .map(|file| (file.lines(), file.path))
        .collect();
    production.sort();
    let at = |share: usize| production[(production.len() * share).div_ceil(100) - 1].0;
    let (median, p90) = (at(50), at(90));
    println!("{} files, median {median}, p90 {p90}", production.len());
    let too_long = median >= MEDIAN || p90 >= NINE_IN_TEN;
    let longest = production.iter().rev().take(if too_long { 20 } else { 0 });
    let offenders: Vec<String> = longest.map(|(lines, path)| format!("{path}: {lines} lines")).collect();
    refuse(
        &format!(
            "the median file is below {MEDIAN} lines and nine in ten are below {NINE_IN_TEN}, not {median} and {p90}"
        ),
        "These are the longest; split where one holds two ideas.",
        &offenders,
    );
}
