//! A controller that is stopped, or dropped without a word, has on the same folder all that it had
//! acknowledged.

mod support;

use support::{config, pool, submit};
use tidegate_controller::{Running, StartError, start};
use tidegate_scheduler::{Limits, Outcome, Refusal};
use tidegate_store::{Digest, RunFilter};

async fn runs(running: &Running) -> Vec<String> {
    let names = |core: &tidegate_scheduler::Core| {
        core.state().runs().iter().map(|(_, run)| run.name.to_string()).collect::<Vec<_>>()
    };
    running.controller.read(names).await.unwrap()
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for life in 0..4 {
        // Short snapshots, so that lives begin from a snapshot and from the log after it.
        let limits = Limits { entries_per_snapshot: 5, ..Limits::default() };
        actix::System::new().block_on(async {
            let running = start(config(folder.path(), limits)).await.unwrap();
            if life == 0 {
                assert_eq!(running.controller.ask(None, pool()).await, Ok(Outcome::Done));
            }
            for n in 0..10 {
                let name = format!("run-{life}-{n}");
                let answer = running.controller.ask(None, submit(&name, &format!("body of {name}"))).await;
                assert!(matches!(answer, Ok(Outcome::Submitted { known: false, .. })), "{answer:?}");
            }
            let again = running.controller.ask(None, submit("run-0-3", "body of run-0-3")).await;
            assert!(matches!(again, Ok(Outcome::Submitted { known: true, .. })), "{again:?}");
            let other = running.controller.ask(None, submit("run-0-3", "another body")).await;
            assert!(matches!(other, Err(Refusal::NameConflict { .. })), "{other:?}");

            assert_eq!(runs(&running).await.len(), 10 * (life + 1));
            running.controller.settle_history().await.unwrap();
            let page = running.controller.history().runs(&RunFilter::default(), None, 1000).unwrap();
            assert_eq!(page.items.len(), 10 * (life + 1));
            let body = Digest::of(b"body of run-0-7");
            assert_eq!(running.controller.blobs().get(body).await.unwrap().unwrap(), b"body of run-0-7");
            running.stop().await;
        });
    }
}

#[test]
fn a_controller_whose_log_is_gone_does_not_come_back_as_itself() {
    let folder = tempfile::tempdir().unwrap();
    actix::System::new().block_on(async {
        let running = start(config(folder.path(), Limits::default())).await.unwrap();
        assert_eq!(running.controller.ask(None, pool()).await, Ok(Outcome::Done));
        running.stop().await;
        std::fs::remove_dir_all(folder.path().join("log")).unwrap();
        for _ in 0..2 {
            let refused = start(config(folder.path(), Limits::default())).await.err().expect("refused");
            assert!(matches!(refused, StartError::LogLost { id: 1 }), "{refused}");
        }
    });
}

#[test]
fn a_folder_in_use_is_refused_and_says_by_whom() {
    let folder = tempfile::tempdir().unwrap();
    actix::System::new().block_on(async {
        let running = start(config(folder.path(), Limits::default())).await.unwrap();
        let refused = start(config(folder.path(), Limits::default())).await.err().expect("refused");
        assert!(matches!(refused, StartError::Folder(_)));
        assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
        running.stop().await;
    });
}
