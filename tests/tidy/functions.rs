//! How long functions are. The sources are formatted, so a function ends at the first closing brace of its own indent.

use crate::{
    refuse,
    tree::{self, File},
};

const LONGEST: usize = 70;

/// A function's name, its first line, and how many lines it has with its signature.
struct Function<'a> {
    line: usize,
    name: &'a str,
    lines: usize,
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The name, if a line starts a function.
fn name(line: &str) -> Option<&str> {
    let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    let mut rest = line.trim_start();
    loop {
        if let Some(name) = rest.strip_prefix("fn ") {
            return name.split(['(', '<']).next();
        }
        let (word, after) = rest.split_once(' ')?;
        let known = words.contains(&word) || word.starts_with("pub(in");
        rest = known.then_some(after)?;
    }
}

fn functions(file: &File) -> Vec<Function<'_>> {
    let lines: Vec<&str> = file.text.lines().collect();
    let starts = lines.iter().enumerate().filter_map(|(at, line)| Some((at, name(line)?)));
    starts
        .filter_map(|(at, name)| {
            let depth = indent(lines[at]);
            let ends = |line: &&str| indent(line) == depth && (line.trim_end().ends_with([';', '}']));
            let more = match ends(&lines[at]) {
                // A declaration, or all in one line.
                true => 0,
                false => {
                    1 + lines[at + 1..].iter().position(|line| indent(line) == depth && line.trim() == "}")?
                }
            };
            Some(Function { line: at + 1, name, lines: more + 1 })
        })
        .collect()
}

#[test]
fn functions_have_fewer_than_70_lines() {
    let mut seen = 0;
    let mut offenders = Vec::new();
    for file in tree::files(".rs") {
        for function in functions(&file) {
            seen += 1;
            if function.lines >= LONGEST {
                let Function { line, name, lines } = function;
                offenders.push(format!("{}:{line}: {name} has {lines} lines", file.path));
            }
        }
    }
    assert!(seen > 500, "only {seen} functions were found: the scanner is broken");
    refuse(
        "a function has fewer than 70 lines",
        "Give a step of it a name: a function of its own that says what it is for.",
        &offenders,
    );
}

#[test]
fn the_scanner_measures_functions() {
    let text = "impl A {\n    pub(crate) async fn one(\n        x: u8,\n    ) -> u8 {\n        if x {\n        }\n    }\n\n    \
                fn two() {}\n}\nextern \"C\" fn three() {\n}\ntrait T {\n    fn four();\n}\nlet x = fn_like(2);\n";
    let file = File { path: String::new(), text: text.to_owned() };
    let found: Vec<(usize, &str, usize)> =
        functions(&file).iter().map(|function| (function.line, function.name, function.lines)).collect();
    assert_eq!(found, [(2, "one", 6), (9, "two", 1), (11, "three", 2), (14, "four", 1)]);
}
