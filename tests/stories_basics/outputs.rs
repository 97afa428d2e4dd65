//! What a run leaves behind comes back byte for byte.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;
use tidegate_tests::Cluster;

use crate::POOL;

const JOB: &str = r#"
command: |
  cp -r data outputs/data && cp ${{inputs.one}} outputs/one.bin && : > outputs/empty
  mkdir -p outputs/deep/er && ln -s er outputs/deep/link && chmod +x outputs/data/tool.sh
  cp ${{inputs.many}}/big.bin ${{outputs.copy}}/ && cp ${{inputs.one}} ${{outputs.single}}
  echo noted > logs/note.txt
code: .
inputs:
  one: {type: uri_file, path: one.bin}
  many: {type: uri_folder, path: data}
outputs:
  copy: {type: uri_folder}
  single: {type: uri_file}
environment: azureml:any
compute: small
"#;

/// Bytes that do not repeat soon.
fn noise(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

#[test]
fn outputs_are_downloaded_byte_for_byte() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let file = cluster.job(JOB)?;
    let folder = Path::new(&file).parent().context("it is in a folder")?.to_owned();
    let (one, big) = (noise(70_000, 1), noise(3_000_001, 2));
    fs::create_dir(folder.join("data"))?;
    fs::write(folder.join("one.bin"), &one)?;
    fs::write(folder.join("data/big.bin"), &big)?;
    fs::write(folder.join("data/tool.sh"), "#!/bin/sh\n")?;

    cluster.tidegate(["submit", &file, "--wait", "--name", "files"])?.succeeded()?;
    let to = cluster.home().path().join("fetched");
    let to_text = to.display().to_string();
    cluster.tidegate(["run", "download", "files", "--all", "--path", &to_text])?.succeeded()?;
    assert!(read(&to.join("outputs/one.bin"))? == one);
    assert!(read(&to.join("outputs/data/big.bin"))? == big);
    assert_eq!(read(&to.join("outputs/empty"))?, b"");
    assert!(to.join("outputs/deep/er").is_dir());
    assert_eq!(fs::read_link(to.join("outputs/deep/link"))?, Path::new("er"));
    assert!(fs::metadata(to.join("outputs/data/tool.sh"))?.permissions().mode() & 0o100 != 0);
    assert_eq!(read(&to.join("logs/note.txt"))?, b"noted\n");
    assert!(read(&to.join("named/copy/big.bin"))? == big);
    let single: Vec<_> = fs::read_dir(to.join("named/single"))?.collect::<Result<_, _>>()?;
    assert_eq!(single.len(), 1, "{single:?}");
    assert!(read(&single[0].path())? == one);

    let details = cluster.run("files")?;
    assert_eq!(names(&details["outputs"]), ["copy", "default", "single"]);
    let missing = cluster.tidegate(["run", "download", "files", "--output-name", "modle"])?.ended_with(2)?;
    assert!(missing.stderr.contains("modle") && missing.stderr.contains("copy"), "{missing}");

    let plain = cluster.tidegate(["run", "download", "files"])?.succeeded()?;
    assert_eq!(plain.stdout, "files\n", "into a folder of the run's name");
    assert!(read(&cluster.home().path().join("files/outputs/one.bin"))? == one);
    assert!(!cluster.home().path().join("files/named").exists());
    Ok(())
}

fn names(list: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names
}
