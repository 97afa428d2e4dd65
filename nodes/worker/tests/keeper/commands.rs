//! What a command gets, and what is told of its end.

use std::fs;

use tidegate_worker::keeper::protocol::{Cause, Outcome, Phase, ToKeeper};

use crate::node::{Cgroups, Node, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn codes_and_signals_are_told_as_they_are() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        assert_eq!(node.run(1, "exit 0").await.outcome, Outcome::Code(0));
        assert_eq!(node.run(2, "exit 7").await.outcome, Outcome::Code(7));
        assert_eq!(node.run(3, "kill -KILL $$").await.outcome, Outcome::Signal(9));
        assert_eq!(node.run(4, "kill -SEGV $$").await.outcome, Outcome::Signal(11));
        let exit = node.run(5, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").await;
        assert_eq!(exit.cause, Cause::Natural);
        assert!(exit.cpu_us > 0 && exit.max_rss_kib > 100, "{exit:?}");
        assert!(exit.started_unix_us > 0 && exit.started_unix_us <= exit.ended_unix_us, "{exit:?}");
        assert!(!exit.oom_killed && !exit.log_truncated);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn output_is_appended_to_the_files_given() {
    let mut node = Node::new(Cgroups::With).await;
    fs::write(node.path("1.out"), "before\n").unwrap();
    node.run(1, "echo out; echo err >&2; cat").await;
    assert_eq!(node.text("1.out"), "before\nout\n");
    assert_eq!(node.text("1.err"), "err\n");
    let mut both = node.shell(2, "echo a; echo b >&2; echo c");
    both.stderr = both.stdout.clone();
    node.start(both).await;
    node.exit(2).await;
    assert_eq!(node.text("2.out"), "a\nb\nc\n");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(node.path("2.out")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn folder_and_environment_are_exactly_those_given() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        let folder = node.path("deep/er");
        fs::create_dir_all(&folder).unwrap();
        let mut request = request(1, &["/usr/bin/env", "-0"], node.folder.path());
        request.cwd = folder.clone();
        request.env =
            vec![("A".into(), "1 2\n3".into()), ("EMPTY".into(), String::new()), ("Ü".into(), "ä".into())];
        node.start(request).await;
        assert_eq!(node.exit(1).await.outcome, Outcome::Code(0));
        let text = node.text("1.out");
        let mut seen: Vec<&str> = text.split_terminator('\0').collect();
        if node.agent.confinement.mechanism == "none" {
            assert!(seen.pop().unwrap().starts_with("TIDEGATE_RUN_MARK="));
        }
        assert_eq!(seen, ["A=1 2\n3", "EMPTY=", "Ü=ä"]);
        let mut where_am_i = node.shell(2, "/bin/pwd; ls -l /proc/self/fd | wc -l; cat /proc/self/status");
        where_am_i.cwd = folder.clone();
        node.start(where_am_i).await;
        node.exit(2).await;
        let text = node.text("2.out");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], folder.canonicalize().unwrap().to_str().unwrap());
        // A total, 0, 1, 2, and the listing itself.
        assert_eq!(lines[1], "5");
        for set in ["SigBlk:", "SigIgn:"] {
            let line = lines.iter().find(|line| line.starts_with(set)).unwrap();
            let set = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
            // 32 and 33 are the C library's own, which sets them up when it needs them.
            assert_eq!(set & !(3 << 31), 0, "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_program_is_found_in_its_own_path() {
    let mut node = Node::new(Cgroups::With).await;
    let folder = node.path("bin");
    fs::create_dir(&folder).unwrap();
    fs::copy("/bin/true", folder.join("just-here")).unwrap();
    let mut found = request(1, &["just-here"], node.folder.path());
    found.env = vec![("PATH".into(), format!("/nowhere:{}", folder.display()))];
    node.start(found).await;
    assert_eq!(node.exit(1).await.outcome, Outcome::Code(0));
    node.start(request(2, &["bin/just-here"], node.folder.path())).await;
    assert_eq!(node.exit(2).await.outcome, Outcome::Code(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_cannot_start_says_why() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        let base = |fence, argv: &[&str], node: &Node| request(fence, argv, node.folder.path());
        node.start(base(1, &["no-such-program"], &node)).await;
        let error = node.failed(1).await;
        assert!(error.contains("no-such-program: No such file") && error.contains("PATH="), "{error}");
        node.start(base(2, &["/no/such/program"], &node)).await;
        let error = node.failed(2).await;
        assert!(error.contains("/no/such/program") && error.contains("No such file"), "{error}");
        let mut bad_folder = base(3, &["/bin/true"], &node);
        bad_folder.cwd = "/no/such/folder".into();
        node.start(bad_folder).await;
        let error = node.failed(3).await;
        assert!(
            error.contains("working folder /no/such/folder") && error.contains("No such file"),
            "{error}"
        );
        let mut bad_log = base(4, &["/bin/true"], &node);
        bad_log.stderr = "/no/such/log".into();
        node.start(bad_log).await;
        let error = node.failed(4).await;
        assert!(error.contains("log file /no/such/log"), "{error}");
        fs::write(node.path("data"), "text").unwrap();
        node.start(base(5, &["./data"], &node)).await;
        let error = node.failed(5).await;
        assert!(error.contains("./data") && error.contains("Permission denied"), "{error}");
        node.start(base(6, &[], &node)).await;
        assert!(node.failed(6).await.contains("empty"));
        node.start(base(7, &["/bin/true", "a\0b"], &node)).await;
        assert!(node.failed(7).await.contains("NUL"));
        let huge = "x".repeat(200 * 1024);
        node.start(base(8, &["/bin/true", &huge], &node)).await;
        assert!(node.failed(8).await.contains("Argument list too long"));
        let listed = node.list().await;
        assert_eq!(listed.len(), 8);
        assert!(listed.iter().all(|status| matches!(status.phase, Phase::StartFailed { .. })));
        // The slot that failed is as good as before.
        assert_eq!(node.run(9, "exit 3").await.outcome, Outcome::Code(3));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_hundred_at_once() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        // Each waits until it is let go, so that all are there at once.
        for fence in 0..200 {
            let line = format!("while [ ! -e go ]; do sleep 0.2; done; exit {}", fence % 256);
            let request = node.shell(fence, &line);
            node.start(request).await;
        }
        for fence in 0..200 {
            node.started(fence).await;
        }
        let running =
            node.list().await.iter().filter(|status| matches!(status.phase, Phase::Running { .. })).count();
        assert_eq!(running, 200);
        fs::write(node.path("go"), "").unwrap();
        for fence in 0..200 {
            assert_eq!(node.exit(fence).await.outcome, Outcome::Code((fence % 256) as i32));
        }
        let fences: Vec<u64> = (0..200).collect();
        node.agent.send(&ToKeeper::Forget { fences }).await.unwrap();
        assert_eq!(node.list().await, []);
    }
}
