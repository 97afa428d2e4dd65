//! What keeps a server from starting.

use std::{fs, net::TcpListener};

use anyhow::Result;
use tidegate_tests::Cluster;

use crate::says;

/// What a second server on this folder or port says before it ends, with an exit code that is not 0.
fn refusal(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    let ended = cluster.tidegate(arguments)?.ended_with(2)?;
    assert_eq!(ended.stdout, "");
    Ok(ended.stderr)
}

#[test]
fn a_port_in_use_is_told_with_what_to_do() -> Result<()> {
    let cluster = Cluster::up()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let new = cluster.home().path().join("new").display().to_string();
    let told = refusal(&cluster, &["up", "--data", &new, "--http", &address])?;
    says(&told, &["port", &address[10..], "in use", "--http"]);
    let open = refusal(&cluster, &["up", "--data", &new, "--http", "0.0.0.0:0"])?;
    says(&open, &["other machines", "127.0.0.1"]);
    let wrong = refusal(&cluster, &["up", "--data", &new, "--http", "nonsense"])?;
    says(&wrong, &["nonsense", "--http"]);
    assert!(!cluster.home().path().join("new").exists(), "nothing was made");
    assert_eq!(cluster.json(["status"])?["leader"], true, "the first one is not touched");
    Ok(())
}

#[test]
fn a_data_folder_in_use_names_the_process_that_has_it() -> Result<()> {
    let mut cluster = Cluster::up()?;
    let data = cluster.data().display().to_string();
    let told = refusal(&cluster, &["up", "--data", &data, "--http", "127.0.0.1:0"])?;
    let pid = cluster.server_pid().unwrap_or_default();
    says(&told, &["is in use by process", &pid.to_string(), &data, "stop that one first"]);
    assert_eq!(cluster.json(["status"])?["leader"], true, "the first one is not touched");
    assert!(cluster.stop()?.success());
    cluster.restart()
}

#[test]
fn a_folder_that_is_something_else_is_left_alone() -> Result<()> {
    let cluster = Cluster::up()?;
    let file = cluster.home().write("photos/cat.jpg", "a cat")?;
    let photos = file.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let told = refusal(&cluster, &["up", "--data", &photos, "--http", "127.0.0.1:0"])?;
    says(&told, &["is not a data folder", "cat.jpg", "empty or a new"]);
    let names: Vec<_> = fs::read_dir(&photos)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    assert_eq!(names, ["cat.jpg"]);
    let told = refusal(&cluster, &["up", "--data", &file.display().to_string(), "--http", "127.0.0.1:0"])?;
    says(&told, &["cat.jpg"]);
    let config = cluster.home().write("server.toml", "[http]\nnmes = []\n")?;
    let told = refusal(&cluster, &["up", "--config", &config.display().to_string()])?;
    says(&told, &["server.toml", "nmes", "line 2"]);
    Ok(())
}
