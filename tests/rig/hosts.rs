//! Hosts have a network of their own and nothing else, and are gone when nobody needs them.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result};
use tidegate_tests::{faults::Hosts, wait};

use crate::left_out;

#[test]
fn hosts_reach_each_other_and_share_no_ports() -> Result<()> {
    let begun = Instant::now();
    let Some(hosts) = Hosts::new("hosts_reach_each_other", 5)? else { return Ok(()) };
    println!("5 hosts are made in {:?}", begun.elapsed());
    let listen = |host: usize| hosts.host(host).inside(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)));
    let listeners =
        (0..5).map(|host| listen(host)?.context("a port is taken")).collect::<Result<Vec<_>>>()?;
    for (at, listener) in listeners.iter().enumerate() {
        for host in hosts.all() {
            let mut there =
                host.inside(|| TcpStream::connect((hosts.host(at).address(), 8080)))?.context("no way")?;
            let (here, from) = listener.accept()?;
            drop(here);
            assert_eq!(from.ip(), host.address());
            assert_eq!(there.read(&mut [0; 1])?, 0);
        }
        // Its own loopback, too.
        hosts.host(at).inside(|| TcpStream::connect((Ipv4Addr::LOCALHOST, 8080)))??;
        listener.accept()?;
    }
    Ok(())
}

#[test]
fn all_but_the_network_is_as_outside() -> Result<()> {
    let Some(hosts) = Hosts::new("all_but_the_network", 1)? else { return Ok(()) };
    let groups = |output: std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let list = || {
        let mut command = Command::new("ls");
        command.arg("/sys/fs/cgroup");
        command
    };
    let inside = groups(hosts.host(0).output(&mut list())?);
    assert!(!inside.is_empty(), "workers look for cgroups there");
    assert_eq!(inside, groups(list().output()?));
    Ok(())
}

#[test]
fn what_runs_in_hosts_ends_with_them() -> Result<()> {
    let Some(hosts) = Hosts::new("what_runs_in_hosts", 2)? else { return Ok(()) };
    let names: Vec<String> = hosts.all().iter().map(|host| host.namespace().to_owned()).collect();
    let mut child = hosts.host(1).spawn(Command::new("sh").args(["-c", "sleep 1000 & sleep 1000"]))?;
    drop(hosts);
    assert!(!child.wait()?.success());
    assert!(names.iter().all(|name| !Path::new("/run/netns").join(name).exists()), "{names:?}");
    Ok(())
}

#[test]
fn what_a_killed_test_leaves_is_removed_by_the_next_one() -> Result<()> {
    if Hosts::new("what_a_killed_test_leaves", 0)?.is_none() {
        return Ok(());
    }
    let mut test = left_out("hosts::makes_hosts_and_is_killed")?.spawn()?;
    let lines = BufReader::new(test.stdout.take().context("it was piped")?).lines();
    let told = lines.map_while(Result::ok).find_map(|line| {
        let words = line.split_once("left: ")?.1.split(' ').map(str::to_owned).collect::<Vec<_>>();
        Some(words)
    });
    let told = told.context("the other test makes hosts")?;
    let (process, names) = told.split_first().context("it tells a process")?;
    test.kill()?;
    test.wait()?;
    let left = || -> Result<BTreeSet<String>> {
        let entries = fs::read_dir("/run/netns")?;
        let there: BTreeSet<String> = entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_>>()?;
        Ok(names.iter().filter(|name| there.contains(*name)).cloned().collect())
    };
    assert!(names.len() == 2, "{names:?}");
    drop(Hosts::new("what_a_killed_test_leaves", 1)?);
    assert_eq!(left()?, BTreeSet::new());
    // Its master is dead, so that somebody else has to reap it.
    wait::until("the end of what ran there", || {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        Ok((stat.is_empty() || stat.contains(") Z ")).then_some(()))
    })
}

#[test]
#[ignore = "started by what_a_killed_test_leaves_is_removed_by_the_next_one"]
fn makes_hosts_and_is_killed() -> Result<()> {
    let Some(hosts) = Hosts::new("makes_hosts_and_is_killed", 2)? else { return Ok(()) };
    let mut child = hosts.host(0).spawn(Command::new("sleep").arg("1000"))?;
    let names: Vec<&str> = hosts.all().iter().map(|host| host.namespace()).collect();
    println!("left: {} {}", child.id(), names.join(" "));
    child.wait()?;
    Ok(())
}
