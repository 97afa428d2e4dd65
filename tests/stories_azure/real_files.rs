//! The command jobs among Azure ML's public examples that need nothing but a shell.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tidegate_tests::{Cluster, shared_folder};

use crate::stand_ins;

/// What one file prints, and the files that it leaves in its outputs.
struct Expected {
    file: &'static str,
    prints: &'static str,
    leaves: &'static [(&'static str, &'static str)],
}

/// By the commands in the files, and by what stands in for the programs that they refer to.
const EXPECTED: [Expected; 5] = [
    Expected { file: "hello-code.yml", prints: "logs\nmain.py\noutputs\n", leaves: &[] },
    Expected { file: "hello-world-env-var.yml", prints: "hello world\n", leaves: &[] },
    Expected { file: "hello-world-input.yml", prints: "hello world\n42\n", leaves: &[] },
    Expected {
        file: "hello-world-output.yml",
        prints: "",
        leaves: &[("outputs/helloworld.txt", "hello world\n")],
    },
    Expected { file: "hello-world.yml", prints: "hello world\n", leaves: &[] },
];

/// The paths of the files that are command jobs of the class that needs nothing but a shell.
fn plain_jobs(table: &str) -> Vec<PathBuf> {
    let rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let plain = rows.filter(|row| row.get(1) == Some(&"job.command") && row.get(2) == Some(&"R0"));
    plain.map(|row| PathBuf::from(row[0])).collect()
}

#[test]
fn real_files_are_submitted_unchanged_and_end_as_they_should() -> Result<()> {
    let Some(shared) = shared_folder("real_files_are_submitted_unchanged", "azureml") else { return Ok(()) };
    let files = plain_jobs(&fs::read_to_string(shared.join("dev.tsv"))?);
    assert!(!files.is_empty(), "dev.tsv lists no command job of class R0");
    // The pool that `tidegate up` makes by itself takes what names no compute.
    let cluster = Cluster::up()?;
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str()).context("a name in UTF-8")?;
        let expected = EXPECTED.iter().find(|expected| expected.file == name);
        let expected =
            expected.with_context(|| format!("what {} should do is not written down", path.display()))?;
        check(&cluster, &shared.join("examples").join(&path), &path, expected)
            .with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn check(cluster: &Cluster, original: &Path, path: &Path, expected: &Expected) -> Result<()> {
    let root = cluster.home().path().join("copies").join(expected.file);
    let copy = root.join(path);
    fs::create_dir_all(copy.parent().context("a file is in a folder")?)?;
    fs::copy(original, &copy)?;
    stand_ins::make(&copy, &root)?;

    let name = expected.file.trim_end_matches(".yml");
    let live = cluster
        .command()
        .current_dir(&root)
        .arg("submit")
        .arg(path)
        .args(["--stream", "--name", name])
        .output()?;
    let told = String::from_utf8_lossy(&live.stderr);
    assert!(live.status.success(), "{name}: {told}");
    assert_eq!(String::from_utf8_lossy(&live.stdout), expected.prints, "{name}");
    let kept = cluster.tidegate(["run", "logs", name])?.succeeded()?;
    assert_eq!((kept.stdout.as_str(), kept.stderr.as_str()), (expected.prints, ""), "{name}");
    let run = cluster.run(name)?;
    assert_eq!(run["state"], "Completed", "{run}");
    let environment = run["attempts"][0]["environment"].to_string();
    assert!(environment.contains("host"), "{name} says what it ran on: {run}");
    let to = root.join("fetched");
    cluster.tidegate(["run", "download", name, "--path", &to.display().to_string()])?.succeeded()?;
    for (file, content) in expected.leaves {
        assert_eq!(fs::read_to_string(to.join(file)).with_context(|| format!("{name}: {file}"))?, *content);
    }
    assert_eq!(to.exists() && to.join("outputs").exists(), !expected.leaves.is_empty(), "{name}");
    Ok(())
}
