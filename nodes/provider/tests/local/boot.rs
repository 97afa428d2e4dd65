//! Nodes come up, or fail to, as their pool's settings say.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use tidegate_provider::Provider;
use tidegate_scheduler::{ids::NodeId, input::ProviderEvent};

use crate::rig::{OBEDIENT, Rig, Root, order, orders};

#[test]
fn a_node_is_a_process_with_a_folder_of_its_own() {
    let mut rig = Rig::new(&format!("env; pwd; echo config=$1; {OBEDIENT}"));
    let wanted = orders([1, 2]);
    rig.reconcile(&wanted, Instant::now());
    assert_eq!(rig.events[&NodeId(1)], [ProviderEvent::Booting]);
    rig.until(&wanted, "both start", |rig| {
        [1, 2].iter().all(|&node| rig.read(node, "worker.log").contains("started"))
    });
    let log = rig.read(1, "worker.log");
    let folder = rig.provider.folder(NodeId(1));
    assert!(log.contains(&format!("config={}", folder.join("worker.toml").display())), "{log}");
    // cargo gives us many variables; the worker gets none of them.
    assert!(log.contains("PATH=") && !log.contains("CARGO"), "{log}");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(folder.join("worker.log")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(rig.events.values().map(Vec::len).collect::<Vec<_>>(), [1, 1], "said once each");
    rig.provider.retell();
    rig.reconcile(&wanted, Instant::now());
    assert_eq!(rig.events[&NodeId(2)], [ProviderEvent::Booting, ProviderEvent::Booting]);
}

#[test]
fn a_boot_takes_its_delay() {
    let mut rig = Rig::new(OBEDIENT);
    let wanted = [order(1, r#"{"kind":"local","boot_delay_s":60}"#)];
    let start = Instant::now();
    rig.reconcile(&wanted, start);
    assert_eq!(rig.provider.next_wakeup(), Some(start + Duration::from_secs(60)));
    rig.reconcile(&wanted, start + Duration::from_millis(59_999));
    assert!(!rig.file(1, "").exists());
    rig.reconcile(&wanted, start + Duration::from_secs(60));
    assert!(rig.pid(1).is_some());
    assert_eq!(rig.events[&NodeId(1)], [ProviderEvent::Booting]);
}

#[test]
fn the_first_boots_fail_when_the_settings_say_so() {
    let mut rig = Rig::new(OBEDIENT);
    let wanted: Vec<_> = (1..=3).map(|node| order(node, r#"{"kind":"local","boot_failures":2}"#)).collect();
    let now = Instant::now();
    rig.reconcile(&wanted, now);
    rig.reconcile(&wanted, now);
    let reason = "boot failure asked for by the pool's settings".to_owned();
    let failed = [ProviderEvent::Booting, ProviderEvent::Failed { reason }];
    assert_eq!(rig.events[&NodeId(1)], failed);
    assert_eq!(rig.events[&NodeId(2)], failed);
    assert_eq!(rig.events[&NodeId(3)], [ProviderEvent::Booting]);
    rig.reconcile(&wanted[2..], now);
    assert!(rig.is_gone(1) && rig.is_gone(2));
}

#[test]
fn what_cannot_be_made_says_why() {
    let mut rig = Rig::with(Root::new(OBEDIENT), |config| config.disk_reserve = u64::MAX);
    let now = Instant::now();
    rig.reconcile(&[order(1, ""), order(2, r#"{"kind":"local","boot":1}"#)], now);
    let full = rig.failure(1).unwrap();
    assert!(full.contains(" MiB left, and 17592186044415 MiB are kept in reserve"), "{full}");
    let unknown = rig.failure(2).unwrap();
    assert!(unknown.starts_with("the pool's provider settings are wrong: unknown field `boot`"), "{unknown}");

    let mut rig = Rig::with(Root::new(OBEDIENT), |config| config.program = "/nowhere/tidegate".into());
    rig.reconcile(&orders([1]), now);
    let missing = rig.failure(1).unwrap();
    assert!(missing.starts_with("cannot start the worker /nowhere/tidegate: No such file"), "{missing}");
    rig.reconcile(&[], now);
    assert!(rig.is_gone(1) && !rig.file(1, "").exists());

    let mut rig = Rig::with(Root::new(OBEDIENT), |config| {
        config.prepare = Box::new(|_, _| Err("no certificate".into()))
    });
    rig.reconcile(&orders([1]), now);
    assert_eq!(rig.failure(1), Some("no certificate"));
}

#[test]
fn nothing_to_do_needs_no_wakeup() {
    let mut rig = Rig::new(OBEDIENT);
    assert_eq!(rig.provider.next_wakeup(), None);
    let now = Instant::now();
    let events = rig.provider.reconcile(&[], &[NodeId(7)], now);
    assert_eq!(events, [(NodeId(7), ProviderEvent::Gone)], "what never was is gone, too");
    assert_eq!(rig.provider.next_wakeup(), None);
}
