//! What keeps a server from starting.

use std::{fs, net::TcpListener, process::Stdio};

use anyhow::{Context, Result};
use tidegate_tests::{Cluster, wait};

use crate::says;

/// What a second server says before it ends by itself, with an exit code that is not 0.
fn refusal(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    let mut command = cluster.command();
    let mut server = command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("tidegate starts")?;
    let ended = wait::until("the second server to end", || Ok(server.try_wait()?));
    if ended.is_err() {
        server.kill()?;
    }
    let told = server.wait_with_output()?;
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(ended.with_context(|| text.clone())?.code(), Some(2), "{text}");
    assert!(told.stdout.is_empty());
    Ok(text)
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
    // Other things may lie in a data folder, but not under the names of its parts.
    let file = cluster.home().write("boat/log/monday.txt", "wind from the west")?;
    let boat = cluster.home().path().join("boat").display().to_string();
    let told = refusal(&cluster, &["up", "--data", &boat, "--http", "127.0.0.1:0"])?;
    says(&told, &["is not a data folder", "log", "empty or a new"]);
    let names: Vec<_> = fs::read_dir(&boat)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    assert_eq!(names, ["log"]);
    assert_eq!(fs::read_to_string(&file)?, "wind from the west");
    let told = refusal(&cluster, &["up", "--data", &file.display().to_string(), "--http", "127.0.0.1:0"])?;
    says(&told, &["monday.txt"]);
    let config = cluster.home().write("server.toml", "[http]\nnmes = []\n")?;
    let told = refusal(&cluster, &["up", "--config", &config.display().to_string()])?;
    says(&told, &["server.toml", "nmes", "line 2"]);
    Ok(())
}
