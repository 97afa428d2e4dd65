//! Nothing is read or written outside of the folders that it belongs to.

use std::{fs, os::unix::fs::symlink, path::Path};

use anyhow::{Context, Result};
use serde_json::json;
use tidegate_store::{Digest, Tree, TreeEntry, TreeKind};
use tidegate_tests::Cluster;

use crate::{POOL, says};

const WITH_CODE: &str = "command: cat *\ncode: src\nenvironment: azureml:any\ncompute: small\n";

#[test]
fn links_that_leave_the_code_and_paths_that_are_not_there_are_refused() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let secret = cluster.home().write("secret", "s3cret")?;
    let file = cluster.job(WITH_CODE)?;
    let missing = cluster.tidegate(["submit", &file])?.ended_with(2)?;
    says(&missing.stderr, &["job.yml:2:", "code", "src"]);

    let src = Path::new(&file).with_file_name("src");
    fs::create_dir(&src)?;
    for target in [secret.as_path(), Path::new("../../secret"), Path::new("/etc")] {
        symlink(target, src.join("link"))?;
        let refused = cluster.tidegate(["submit", &file])?.ended_with(2)?;
        says(&refused.stderr, &["\"link\"", "leaves the folder", "relative path"]);
        fs::remove_file(src.join("link"))?;
    }
    // Through another link it leaves, too.
    symlink(".", src.join("here"))?;
    symlink("here/../..", src.join("out"))?;
    let refused = cluster.tidegate(["submit", &file])?.ended_with(2)?;
    says(&refused.stderr, &["\"out\"", "leaves the folder"]);
    fs::remove_file(src.join("out"))?;
    rustix::fs::mkfifoat(rustix::fs::CWD, src.join("pipe"), rustix::fs::Mode::RUSR)?;
    let refused = cluster.tidegate(["submit", &file])?.ended_with(2)?;
    says(&refused.stderr, &["pipe"]);
    fs::remove_file(src.join("pipe"))?;

    fs::write(src.join("ok"), "fine\n")?;
    let fine = cluster.tidegate(["submit", &file, "--stream"])?;
    assert_eq!(fine.stdout, "fine\n", "{fine}");
    let absent = "command: cat ${{inputs.x}}\ninputs: {x: {type: uri_file, path: no/such.csv}}\nenvironment: azureml:any\n";
    let refused = cluster.tidegate(["submit", &cluster.job(absent)?])?.ended_with(2)?;
    says(&refused.stderr, &["job.yml:2:", "inputs.x", "no/such.csv"]);
    Ok(())
}

/// A folder's listing in which `aa` became `..`, as no client of ours would make it.
fn escaping_tree(content: Digest, size: u64) -> Result<Vec<u8>> {
    let file = TreeKind::File { digest: content, size, executable: false };
    let folder = TreeEntry { path: "aa".into(), kind: TreeKind::Dir };
    let mut bytes = Tree::new(vec![folder, TreeEntry { path: "aa/escaped".into(), kind: file }])?.encode();
    let mut found = 0;
    for at in 0..bytes.len() - 1 {
        if &bytes[at..at + 2] == b"aa" {
            bytes[at..at + 2].copy_from_slice(b"..");
            found += 1;
        }
    }
    (found == 2).then_some(bytes).context("both paths are in it, once each")
}

#[test]
fn an_uploaded_folder_with_a_path_that_leaves_it_is_refused() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let caller = cluster.caller()?;
    let put = |bytes: &[u8]| -> Result<Digest> {
        let digest = Digest::of(bytes);
        let answer = caller.send(&format!("PUT /api/v1/blobs/{digest}"), bytes)?;
        assert_eq!(answer.status, 201, "{answer:?}");
        Ok(digest)
    };
    let content = put(b"escaped\n")?;
    let tree = put(&escaping_tree(content, 8)?)?;
    for key in ["code", "inputs"] {
        let mut job = json!({"command": "true", "environment": "azureml:any", "compute": "azureml:small"});
        match key {
            "code" => job["code"] = format!("tree:{tree}").into(),
            _ => job["inputs"] = json!({"x": {"type": "uri_folder", "path": format!("tree:{tree}")}}),
        }
        let answer = caller.post("/runs", &json!({"name": key, "job": job}))?;
        assert_eq!(answer.status, 422, "{answer:?}");
        says(&answer.body, &["`.` or `..`", &format!("job.{key}"), &tree.to_string()]);
    }
    // Not what its digest says; not a digest at all; not there.
    let other = Digest::of(b"other");
    let answer = caller.send(&format!("PUT /api/v1/blobs/{other}"), b"something else")?;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(
        caller.send(&format!("HEAD /api/v1/blobs/{other}"), b"")?.status,
        404,
        "nothing of it is kept"
    );
    for path in ["..%2F..%2Ftoken", "sha256-..", "../token"] {
        let answer = caller.send(&format!("GET /api/v1/blobs/{path}"), b"")?;
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
    }
    let job = json!({"command": "true", "environment": "azureml:any", "code": format!("tree:{other}")});
    let answer = caller.post("/runs", &json!({"job": job}))?;
    assert_eq!(answer.status, 400, "{answer:?}");
    says(&answer.body, &["is not stored here", "PUT"]);
    let job = json!({"command": "true", "environment": "azureml:any", "code": "../.."});
    let answer = caller.post("/runs", &json!({"job": job}))?;
    assert_eq!(answer.status, 422, "{answer:?}");
    says(&answer.body, &["submitting machine", "job.code"]);
    assert_eq!(cluster.json(["status"])?["open_runs"], 0);
    Ok(())
}

#[test]
fn a_download_never_writes_outside_of_its_folder() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let outside = cluster.home().path().join("outside");
    fs::create_dir(&outside)?;
    fs::write(outside.join("kept"), "mine")?;
    let command = format!(
        "ln -s {outside} outputs/absolute; ln -s ../../../../.. outputs/up; mkdir outputs/d; echo x > outputs/d/f",
        outside = outside.display()
    );
    let file = cluster.job(&format!("command: {command}\nenvironment: azureml:any\ncompute: small\n"))?;
    cluster.tidegate(["submit", &file, "--name", "links", "--wait"])?.succeeded()?;
    let notes = cluster.run("links")?["notes"].to_string();
    says(&notes, &["outputs/absolute", "outputs/up", "was not kept"]);
    cluster.tidegate(["run", "download", "links", "--path", "fetched"])?.succeeded()?;
    let fetched = cluster.home().path().join("fetched/outputs");
    assert_eq!(fs::read_to_string(fetched.join("d/f"))?, "x\n");
    assert!(!fetched.join("absolute").exists() && fs::symlink_metadata(fetched.join("up")).is_err());

    // A link in the way is not followed.
    let trap = cluster.home().path().join("trap");
    fs::create_dir(&trap)?;
    symlink(&outside, trap.join("outputs"))?;
    let refused = cluster.tidegate(["run", "download", "links", "--path", "trap"])?.ended_with(2)?;
    says(&refused.stderr, &["trap/outputs"]);
    let there: Vec<_> = fs::read_dir(&outside)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    assert_eq!(there, ["kept"]);
    Ok(())
}
