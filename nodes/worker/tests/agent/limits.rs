//! A node with little room.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use tidegate_scheduler::message::End;

use crate::node::{Node, job};

/// A small file system of its own, where this machine lets us make one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new(test: &str, mib: u32) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tidegate-test"]).arg(folder.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self(folder)),
            other => {
                println!("skipped: {test}: no file system can be mounted: {other:?}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[actix_rt::test]
async fn on_a_full_disk_nothing_is_begun_and_the_reason_is_told() {
    let Some(disk) = SmallDisk::new("on_a_full_disk_nothing_is_begun_and_the_reason_is_told", 48) else {
        return;
    };
    let place = disk.path().join("node");
    let mut node = Node::with(|config| {
        fs::create_dir(&place).unwrap();
        config.folder = place.clone();
    })
    .await;
    node.run(1, "echo fine").await;
    assert_eq!(*node.controller.ended(1).await.end(), End::Succeeded);
    fs::write(disk.path().join("ballast"), vec![1; 30 << 20]).unwrap();
    node.run(2, "echo fine").await;
    let End::System { reason } = node.controller.ended(2).await.report.end else { panic!() };
    assert!(reason.contains(&place.display().to_string()) && reason.contains("MiB free"), "{reason}");
    fs::remove_file(disk.path().join("ballast")).unwrap();
    node.run(3, "echo fine").await;
    assert_eq!(*node.controller.ended(3).await.end(), End::Succeeded);
    drop(node);
}

#[actix_rt::test]
async fn a_log_that_fills_the_disk_is_kept_as_far_as_it_came_and_that_is_told() {
    let Some(disk) =
        SmallDisk::new("a_log_that_fills_the_disk_is_kept_as_far_as_it_came_and_that_is_told", 32)
    else {
        return;
    };
    let place = disk.path().join("node");
    let mut node = Node::with(|config| {
        fs::create_dir(&place).unwrap();
        config.folder = place.clone();
    })
    .await;
    node.run(1, "seq 100000000; exit 5").await;
    let ended = node.controller.ended(1).await;
    assert_eq!(*ended.end(), End::Exited { code: 5 });
    let text = node.controller.stdout(&ended);
    assert!(text.starts_with("1\n2\n") && text.len() > 15 << 20, "{}", text.len());
    assert!(ended.notes().contains("disk was full"), "{}", ended.notes());
    node.controller.acknowledge(1).await;
    let free = || rustix::fs::statvfs(disk.path()).map_or(0, |found| found.f_bavail * found.f_frsize);
    crate::node::until("there is room again", || free() > 17 << 20).await;
    node.run(2, "echo fine").await;
    assert_eq!(*node.controller.ended(2).await.end(), End::Succeeded);
    drop(node);
}

#[actix_rt::test]
async fn more_memory_than_it_may_have_is_the_runs_own_fault() {
    let mut node = Node::new().await;
    let body = job("head -c 300000000 /dev/zero | tail", "");
    let mut assignment = crate::node::assignment(1, &body);
    assignment.resources.memory_mib = 64;
    node.run_assignment(assignment, Some(&body)).await;
    let ended = node.controller.ended(1).await;
    if !ended.artifacts.confinement.contains("memory") {
        println!(
            "skipped: more_memory_than_it_may_have_is_the_runs_own_fault: {}",
            ended.artifacts.confinement
        );
        return;
    }
    assert!(matches!(ended.end(), End::Signaled { out_of_memory: true, .. }), "{:?}", ended.end());
}

#[actix_rt::test]
async fn what_the_node_does_not_have_is_not_promised() {
    let mut node = Node::new().await;
    let body = job("true", "");
    let mut assignment = crate::node::assignment(1, &body);
    assignment.resources.vcpu = 65;
    node.run_assignment(assignment, Some(&body)).await;
    let End::System { reason } = node.controller.ended(1).await.report.end else { panic!() };
    assert!(reason.contains("65 vCPU") && reason.contains("64 vCPU"), "{reason}");
}
