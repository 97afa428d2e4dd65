//! Logs that grow without end.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
};

use tidegate_worker::keeper::protocol::Outcome;

use crate::node::{Cgroups, Node};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_gigabyte_of_output_leaves_its_head_and_tail() {
    const LIMIT: u64 = 16 << 20;
    let mut node = Node::new(Cgroups::With).await;
    let mut request = node.shell(1, "echo first; head -c 1G /dev/zero | tr '\\0' x; echo; echo last");
    request.log_limit_bytes = LIMIT;
    node.start(request).await;
    let exit = node.exit(1).await;
    assert_eq!((exit.outcome, exit.log_truncated), (Outcome::Code(0), true));
    let metadata = fs::metadata(node.path("1.out")).unwrap();
    assert!(metadata.len() > 1 << 30);
    let on_disk = metadata.blocks() * 512;
    if on_disk > LIMIT + (1 << 20) {
        // Only where the file system has no holes.
        panic!("{on_disk} bytes on disk for a limit of {LIMIT}");
    }
    let mut file = fs::File::open(node.path("1.out")).unwrap();
    let mut head = vec![0; 4096];
    file.read_exact(&mut head).unwrap();
    assert!(head.starts_with(b"first\nxxxx"));
    file.seek(SeekFrom::End(-4096)).unwrap();
    let mut tail = String::new();
    file.read_to_string(&mut tail).unwrap();
    assert!(tail.starts_with("xxxx") && tail.ends_with("x\nlast\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_log_that_grows_is_cut_while_its_run_lives() {
    let mut node = Node::new(Cgroups::Without).await;
    let mut request = node.shell(1, "yes & echo $! > ready; wait");
    request.log_limit_bytes = 1 << 20;
    node.start(request).await;
    let log = node.path("1.out");
    crate::node::until("the log is cut", || {
        fs::metadata(&log)
            .is_ok_and(|metadata| metadata.len() > 4 << 20 && metadata.blocks() * 512 < metadata.len() / 2)
    });
}
