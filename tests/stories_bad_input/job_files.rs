//! Job files that are none: refused before anything is sent, with file, line, column, key and what would be right.

use std::{
    fs::File,
    io::{BufWriter, Write},
};

use anyhow::Result;
use tidegate_tests::Cluster;

use crate::{POOL, says};

#[test]
fn job_files_that_make_no_sense_are_refused_with_line_and_column() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let cases: [(&str, &[&str]); 12] = [
        ("command: [unclosed\nenvironment: azureml:any\n", &["job.yml:", "malformed"]),
        ("command: echo\n\tenvironment: azureml:any\n", &["job.yml:1:", "malformed", "tab"]),
        ("command: echo\n  environment: azureml:any\n", &["job.yml:", "malformed"]),
        ("- command: echo\n", &["job.yml:1:1", "map"]),
        ("", &["job.yml", "empty"]),
        ("command: {a: 1}\nenvironment: azureml:any\n", &["job.yml:1:10", "command", "expected"]),
        (
            "command: echo\nenvironment: azureml:any\nlimits: {timeout: soon}\n",
            &["job.yml:3:", "limits.timeout", "soon"],
        ),
        ("command: echo\nenvironment: azureml:any\ninputs: [1]\n", &["job.yml:3:", "inputs", "expected"]),
        ("comand: echo\nenvironment: azureml:any\n", &["job.yml:1:1", "comand", "did you mean `command`"]),
        ("command: echo\ncommand: echo\nenvironment: azureml:any\n", &["job.yml:2:1", "twice", "line 1"]),
        ("command: echo ${{inputs.x}}\nenvironment: azureml:any\n", &["job.yml:1:", "inputs.x"]),
        ("type: spark\ncode: .\n", &["job.yml", "spark"]),
    ];
    for (text, words) in cases {
        let refused = cluster.tidegate(["submit", &cluster.job(text)?])?.ended_with(2)?;
        says(&refused.stderr, words);
        assert_eq!(refused.stdout, "");
        let refused = cluster.tidegate(["spec", &cluster.job(text)?])?.ended_with(2)?;
        says(&refused.stderr, words);
    }
    let pool = cluster.job("type: amlcompute\nname: x\nsize: Standard_D2s_v3\nmax_instances: many\n")?;
    let refused = cluster.tidegate(["pool", "apply", &pool])?.ended_with(2)?;
    says(&refused.stderr, &["job.yml:4:16", "max_instances", "many"]);
    let unknown = cluster.job("type: amlcompute\nname: x\nsize: Standard_D2s_v33\n")?;
    let refused = cluster.tidegate(["pool", "apply", &unknown])?.ended_with(3)?;
    says(&refused.stderr, &["Standard_D2s_v33"]);
    assert_eq!(cluster.json(["status"])?["open_runs"], 0);
    Ok(())
}

#[test]
fn a_file_of_fifty_megabytes_and_one_that_is_no_text_are_refused_unread() -> Result<()> {
    let cluster = Cluster::up()?;
    let path = cluster.job("")?;
    let mut file = BufWriter::new(File::create(&path)?);
    writeln!(file, "command: echo\nenvironment: azureml:any\ntags:")?;
    for at in 0..500_000 {
        writeln!(file, "  tag{at:08}: {}", "x".repeat(94))?;
    }
    file.flush()?;
    drop(file);
    assert!(std::fs::metadata(&path)?.len() > 50 << 20);
    let refused = cluster.tidegate(["submit", &path])?.ended_with(2)?;
    says(&refused.stderr, &["job.yml", "too large", "limit"]);

    // Small to send, enormous to read.
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{},", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let refused = cluster.tidegate(["submit", &cluster.job(&bomb)?])?.ended_with(2)?;
    says(&refused.stderr, &["job.yml"]);

    std::fs::write(&path, b"command: \xff\xfe\n")?;
    let refused = cluster.tidegate(["submit", &path])?.ended_with(2)?;
    says(&refused.stderr, &["job.yml", "UTF-8"]);
    let folder =
        std::path::Path::new(&path).parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let refused = cluster.tidegate(["submit", &folder])?.ended_with(2)?;
    says(&refused.stderr, &["folder", "not a file"]);

    let body = format!("command: \"{}\"\nenvironment: azureml:any\n", "x".repeat(70_000));
    let refused = cluster.tidegate(["submit", &cluster.job(&body)?])?.ended_with(3)?;
    says(&refused.stderr, &["bytes, the limit is 65536", "code"]);
    Ok(())
}
