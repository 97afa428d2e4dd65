//! Packing brings as many GPUs to use as was published of it, on the published cluster and its tasks.

#[path = "../examples/fgd/study/mod.rs"]
mod study;

use std::path::PathBuf;
use study::{Cluster, Expected, Fill, JUDGED_AT, Outcome, Pods, Policy, order_is_kept};

/// The published lists, where they stand beside the repository.
fn lists() -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let folder = std::env::var_os("TIDEGATE_SHARED").map_or_else(beside, PathBuf::from).join("data/openb");
    if !folder.is_dir() {
        println!("skipped: {} is absent (TIDEGATE_SHARED names the folder)", folder.display());
        return None;
    }
    Some(folder)
}

#[test]
fn packing_is_as_good_as_published() {
    let Some(lists) = lists() else { return };
    let cluster = Cluster::open(&lists.join("openb_node_list_gpu_node.csv")).expect("the nodes");
    let list = lists.join("openb_pod_list_default.csv.gz");
    let pods = Pods::open(&list, &cluster).expect("the pods");
    let expected = Expected::open(&lists.join("fgd_expected.csv"), &list, None).expect("the table");
    assert_eq!((cluster.nodes.len(), pods.shapes.len()), (1213, 8152));
    assert_eq!(expected.workload, "default");
    let looks = expected.arrived();
    assert!(looks.contains(&JUDGED_AT), "{looks:?}");
    let outcomes = Policy::ALL.map(|policy| {
        let fills = vec![Fill::play(&cluster, &pods, policy, 1, &looks)];
        Outcome { policy, fills }
    });
    for outcome in &outcomes {
        let (policy, ours) = (outcome.policy, outcome.mean(JUDGED_AT));
        println!("{policy}: {ours:.2} %, {:.0} placements in a second", outcome.rate());
        match expected.at(policy, JUDGED_AT) {
            Some(published) => {
                let same = outcome.is_as_published(&expected);
                assert_eq!(same, Some(true), "{policy}: {ours:.2}, and {published:.2} was published");
            }
            None => assert!(ours > 94.5, "the scheduler's own rule packs as well as FGD, not {ours:.2}"),
        }
    }
    assert!(order_is_kept(&outcomes));
}
