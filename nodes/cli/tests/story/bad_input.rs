//! What people get wrong, and what they are told: what, where, what to do.

use crate::harness::{Done, Home};
use std::fs::File;

fn refused(home: &Home, line: &str, words: &[&str]) -> Done {
    let done = home.run(line);
    assert_eq!(done.code, 2, "{done:?}");
    for word in words {
        assert!(done.err.contains(word), "{word} is not in {done:?}");
    }
    done
}

#[test]
fn files_are_refused_with_their_line_before_any_server_is_asked() {
    let home = Home::new();
    home.write("slip.yml", "command: echo\nenvironment: azureml:e\nexperiment_nme: x\n");
    let done =
        refused(&home, "submit slip.yml", &["slip.yml:3:1: experiment_nme: unknown key", "experiment_name"]);
    assert!(done.err.contains("│ experiment_nme: x"), "the line is shown: {done:?}");
    home.write("broken.yml", "command: [\n");
    refused(&home, "submit broken.yml", &["broken.yml", "malformed"]);
    home.write("type.yml", "command: echo\nenvironment: azureml:e\nlimits: {timeout: soon}\n");
    refused(&home, "submit type.yml", &["type.yml:3", "limits.timeout"]);
    home.write(
        "two.yml",
        "command: echo\nenvironment: azureml:e\nidentity: {type: managed}\nparent_job_name: p\n",
    );
    refused(&home, "submit two.yml", &["identity", "parent_job_name", "not supported yet"]);
    File::create(home.path().join("big.yml")).unwrap().set_len(50_000_000).unwrap();
    refused(&home, "submit big.yml", &["too large", "50000000"]);
    refused(&home, "submit none.yml", &["none.yml", "cannot be read"]);
    home.write("pool.yml", "type: amlcompute\nname: p\n");
    refused(&home, "submit pool.yml", &["tidegate pool apply"]);
    refused(&home, "pool apply slip.yml", &["slip.yml:3"]);
    home.job("job.yml", "echo", "");
    refused(&home, "pool apply job.yml", &["tidegate submit"]);
    refused(&home, "submit job.yml --set nothing", &["KEY=VALUE"]);
    refused(&home, "submit job.yml --set limits.timeout=soon", &["limits.timeout"]);
    refused(&home, "submit job.yml --dry-run", &["not supported yet"]);
    refused(&home, "status --server https://h", &["https is not supported yet"]);
    assert_eq!(home.run("submit job.yml").code, 4, "without a server there is none to reach");
}

#[test]
fn what_lies_on_this_machine_is_checked_before_it_is_sent() {
    let home = Home::new();
    let _up = home.up("");
    home.job("gone.yml", "echo", "code: ./gone");
    refused(&home, "submit gone.yml", &["gone.yml:3:1: code:", "cannot be read"]);
    home.write("src/a.txt", "a");
    std::os::unix::fs::symlink("../../../etc/passwd", home.path().join("src/away")).unwrap();
    home.job("away.yml", "echo", "code: ./src");
    refused(&home, "submit away.yml", &["away", "leaves the folder"]);
    let list = home.run("run list -o json").json();
    assert_eq!(list["items"].as_array().unwrap().len(), 0, "nothing was queued");
}

#[test]
fn spec_prints_what_was_read() {
    let home = Home::new();
    home.job("job.yml", "echo ${{inputs.x}}", "inputs: {x: 1}\nidentity: {type: managed}");
    let done = home.run("spec job.yml");
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.json()["properties"]["command"], "echo ${{inputs.x}}");
    assert!(done.err.contains("warning") && done.err.contains("identity"), "{done:?}");
    assert!(home.run("spec job.yml -o yaml").ok().starts_with("properties:"));
    assert_eq!(home.run("completions bash").code, 0);
}
