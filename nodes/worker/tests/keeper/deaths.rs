//! The keeper itself dies.

use std::{fs::OpenOptions, io::Write};

use tidegate_worker::keeper::protocol::{Outcome, Phase};

use crate::node::{Cgroups, Node, alive, number_in};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_new_keeper_kills_what_the_dead_one_left_and_reports_it_lost() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        node.run(1, "exit 6").await;
        let line = "
            setsid sh -c 'echo $$ > escaped; exec sleep 1000' &
            while [ ! -s escaped ]; do sleep 0.01; done
            sleep 1000 & echo $! > child; echo $$ > ready; trap '' TERM; while :; do sleep 0.05; done";
        let request = node.shell(2, line);
        node.start(request.clone()).await;
        let main = node.started(2).await;
        let pids = [
            main,
            number_in(&node.path("ready")),
            number_in(&node.path("child")),
            number_in(&node.path("escaped")),
        ];
        assert!(pids.iter().all(|&pid| alive(pid)));
        node.kill_keeper().await;
        assert!(pids.iter().all(|&pid| !alive(pid)), "{cgroups:?}: {pids:?}");
        let exit = node.exit_from_list(2).await;
        assert!(matches!(exit.outcome, Outcome::Lost { .. }), "{exit:?}");
        assert!(exit.started_unix_us > 0);
        assert_eq!(node.exit_from_list(1).await.outcome, Outcome::Code(6));
        // Never a second time.
        std::fs::remove_file(node.path("ready")).unwrap();
        node.start(request).await;
        assert!(matches!(node.exit(2).await.outcome, Outcome::Lost { .. }));
        assert!(!node.path("ready").exists());
        assert_eq!(node.run(3, "exit 8").await.outcome, Outcome::Code(8));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn deaths_at_any_moment_lose_no_exit_and_run_nothing_twice() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        let mut fence = 0;
        for death in 0_u32..12 {
            let first = fence;
            for _ in 0..20 {
                let request = node.shell(fence, &format!("echo ran >> ran-{fence}; exit 3"));
                node.start(request).await;
                fence += 1;
            }
            // Ever more of them are through when it dies.
            let through = (death % 6) * 4;
            for done in first..first + u64::from(through) {
                node.exit(done).await;
            }
            node.kill_keeper().await;
            let listed = node.list().await;
            for attempt in listed.iter().filter(|attempt| attempt.fence >= first) {
                let Phase::Exited(exit) = &attempt.phase else {
                    panic!("{attempt:?} after the keeper died");
                };
                match exit.outcome {
                    Outcome::Code(3) => {}
                    Outcome::Lost { .. } => {
                        assert!(attempt.fence >= first + u64::from(through), "{attempt:?}")
                    }
                    _ => panic!("{attempt:?}"),
                }
            }
            for fence in first..fence {
                let ran = std::fs::read_to_string(node.path(&format!("ran-{fence}"))).unwrap_or_default();
                assert!(ran.is_empty() || ran == "ran\n", "attempt {fence} ran twice");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_torn_end_of_the_journal_costs_nothing_before_it() {
    let mut node = Node::new(Cgroups::With).await;
    node.run(1, "exit 5").await;
    node.dismiss();
    let mut journal = OpenOptions::new().append(true).open(node.path("keeper.journal")).unwrap();
    journal.write_all(&[9, 0, 0, 0, 1, 2, 3, 4, 5]).unwrap();
    node.reconnect().await;
    assert_eq!(node.exit_from_list(1).await.outcome, Outcome::Code(5));
    assert_eq!(node.run(2, "exit 2").await.outcome, Outcome::Code(2));
    node.dismiss();
    node.reconnect().await;
    assert_eq!(node.exit_from_list(1).await.outcome, Outcome::Code(5));
    assert_eq!(node.exit_from_list(2).await.outcome, Outcome::Code(2));
}
