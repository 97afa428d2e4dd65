//! What is written for readers.

use crate::{
    refuse,
    tree::{self, File},
};

/// Lines of a Markdown document outside its fenced blocks.
fn prose(file: &File) -> Vec<&str> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in file.text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push(line);
        }
    }
    lines
}

#[test]
fn a_document_has_one_title_and_it_comes_first() {
    let mut offenders = Vec::new();
    for file in tree::files(".md") {
        let titles = prose(&file).iter().filter(|line| line.starts_with("# ")).count();
        if titles != 1 {
            offenders.push(format!("{}: {titles} titles", file.path));
        } else if !file.text.starts_with("# ") {
            offenders.push(format!("{}: something comes before the title", file.path));
        }
    }
    refuse("a document has one title, as its first line", "Make the others `##`.", &offenders);
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut offenders = Vec::new();
    for file in tree::files(".md") {
        let folder = tree::root().join(&file.path);
        let folder = folder.parent().expect("a file is in a folder");
        for target in prose(&file).iter().flat_map(|line| targets(line)) {
            let bare = target.split('#').next().unwrap_or_default();
            if !bare.is_empty() && !bare.contains("://") && !folder.join(bare).exists() {
                offenders.push(format!("{}: {target}", file.path));
            }
        }
    }
    refuse(
        "a link to a file of the repository leads to one",
        "Correct the link, or write the file.",
        &offenders,
    );
}

/// The targets of the Markdown links in a line.
fn targets(line: &str) -> Vec<&str> {
    let parts = line.split("](").skip(1);
    parts.filter_map(|rest| rest.split(')').next()).collect()
}

#[test]
fn every_module_says_what_it_is_for() {
    let mut offenders = Vec::new();
    for file in tree::files(".rs") {
        // A file of tests is named for what it tests, and needs no words.
        let tests = !file.is_production() || file.path.ends_with("tests.rs");
        if !tests && !file.text.starts_with("//!") {
            offenders.push(file.path);
        }
    }
    refuse(
        "every module opens with what it is for",
        "Say it in a `//!` sentence as its first line; of a checker, which promise it checks.",
        &offenders,
    );
}
