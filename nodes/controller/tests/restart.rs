//! A controller that is stopped, or dropped without a word, has on the same folder all that it had
//! acknowledged.

use std::path::Path;
use std::sync::Arc;
use tidegate_controller::disk::LogOptions;
use tidegate_controller::{ControllerConfig, Running, StartError, start};
use tidegate_provider::Catalogue;
use tidegate_scheduler::command::{ClientCommand, OnDisconnect, PoolSettings, Submit};
use tidegate_scheduler::resources::{Need, Tier};
use tidegate_scheduler::time::Millis;
use tidegate_scheduler::{Limits, Outcome, Refusal};
use tidegate_store::{Digest, RunFilter};

fn config(data: &Path, limits: Limits) -> ControllerConfig {
    ControllerConfig {
        data: data.to_owned(),
        cluster: "test".into(),
        listen: "127.0.0.1:0".parse().unwrap(),
        limits,
        log: LogOptions { reserve_bytes: 1 << 20, ..LogOptions::default() },
        catalogue: Catalogue::builtin(),
        worker_program: ("/bin/false".into(), Vec::new()),
        set_up_node: Arc::new(|_| Err("no node is made in this test".to_owned())),
    }
}

/// A pool that may have no nodes: what is submitted stays queued.
fn pool() -> ClientCommand {
    ClientCommand::ApplyPool(Box::new(PoolSettings {
        workspace: "default".into(),
        name: "still".into(),
        region: "local".into(),
        size: Catalogue::builtin().find("Standard_DS3_v2").unwrap(),
        tier: Tier::Dedicated,
        min_instances: 0,
        max_instances: 0,
        idle_time_before_scale_down: Millis::seconds(120),
        provider: Vec::new(),
    }))
}

fn submit(name: &str, body: &str) -> ClientCommand {
    ClientCommand::Submit(Box::new(Submit {
        name: name.into(),
        workspace: "default".into(),
        experiment: "tests".into(),
        pool: None,
        count: 1,
        need: Need::WholeNode,
        priority: 50,
        retries: 0,
        on_disconnect: OnDisconnect::Continue,
        grace: Millis::seconds(10),
        digest: Digest::of(body.as_bytes()).into(),
        body: body.into(),
    }))
}

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
                assert_eq!(running.controller.ask(pool()).await, Ok(Outcome::Done));
            }
            for n in 0..10 {
                let name = format!("run-{life}-{n}");
                let answer = running.controller.ask(submit(&name, &format!("body of {name}"))).await;
                assert!(matches!(answer, Ok(Outcome::Submitted { known: false, .. })), "{answer:?}");
            }
            let again = running.controller.ask(submit("run-0-3", "body of run-0-3")).await;
            assert!(matches!(again, Ok(Outcome::Submitted { known: true, .. })), "{again:?}");
            let other = running.controller.ask(submit("run-0-3", "another body")).await;
            assert!(matches!(other, Err(Refusal::NameConflict { .. })), "{other:?}");

            assert_eq!(runs(&running).await.len(), 10 * (life + 1));
            running.controller.settle_history().await.unwrap();
            let page = running.controller.history().runs(&RunFilter::default(), None, 1000).unwrap();
            assert_eq!(page.items.len(), 10 * (life + 1));
            let body = Digest::of(b"body of run-0-7");
            assert_eq!(running.controller.blobs().get(&body).unwrap().unwrap(), b"body of run-0-7");
            running.stop().await;
        });
    }
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
