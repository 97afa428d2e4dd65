//! A small disk is full when it was filled, has room again when it was emptied, and is gone when nobody needs it.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Write},
};

use anyhow::{Context, Result};
use tidegate_tests::{Home, faults::SmallDisk};

use crate::left_out;

#[test]
fn a_small_disk_fills_up_and_has_room_again() -> Result<()> {
    let home = Home::new()?;
    let at = home.path().join("disk");
    let Some(disk) = SmallDisk::mount("a_small_disk_fills_up", &at, 4)? else { return Ok(()) };
    assert_eq!(disk.path(), at);
    fs::write(at.join("before"), "there")?;
    disk.fill()?;
    let mut file = fs::OpenOptions::new().append(true).open(at.join("before"))?;
    // The last page of a file has room; a new one has not.
    let full = file.write_all(&[0; 8192]).expect_err("it is full");
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    disk.resize(5)?;
    fs::write(at.join("room"), vec![0; 500_000])?;
    disk.fill()?;
    disk.empty()?;
    fs::write(at.join("more"), vec![0; 3 << 20])?;
    assert!(fs::read(at.join("before"))?.starts_with(b"there"));
    drop(file);
    drop(disk);
    assert_eq!(fs::read_dir(&at)?.count(), 0);
    Ok(())
}

#[test]
fn the_disk_of_a_killed_test_is_unmounted_by_the_next_one() -> Result<()> {
    let home = Home::new()?;
    if SmallDisk::mount("the_disk_of_a_killed_test", &home.path().join("first"), 1)?.is_none() {
        return Ok(());
    }
    let mut test = left_out("disk::mounts_a_disk_and_is_killed")?.spawn()?;
    let lines = BufReader::new(test.stdout.take().context("it was piped")?).lines();
    let at = lines.map_while(Result::ok).find_map(|line| Some(line.split_once("left: ")?.1.to_owned()));
    let at = at.context("the other test mounts a disk")?;
    test.kill()?;
    test.wait()?;
    let is_mounted = || -> Result<bool> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        Ok(mounts.lines().any(|line| line.split(' ').nth(1) == Some(at.as_str())))
    };
    drop(SmallDisk::mount("the_disk_of_a_killed_test", &home.path().join("second"), 1)?);
    assert!(!is_mounted()?);
    // The folder of a killed test stays, as any of its files.
    fs::remove_dir_all(std::path::Path::new(&at).parent().context("it is in a folder")?)?;
    Ok(())
}

#[test]
#[ignore = "started by the_disk_of_a_killed_test_is_unmounted_by_the_next_one"]
fn mounts_a_disk_and_is_killed() -> Result<()> {
    let home = Home::new()?;
    let disk = SmallDisk::mount("mounts_a_disk_and_is_killed", &home.path().join("disk"), 1)?;
    println!("left: {}", disk.context("the first test could")?.path().display());
    // Until it is killed.
    std::io::stdin().lines().for_each(drop);
    Ok(())
}
