//! Controllers without nodes.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::Path;
use std::sync::Arc;
use tidegate_controller::ControllerConfig;
use tidegate_controller::disk::LogOptions;
use tidegate_provider::Catalogue;
use tidegate_scheduler::Limits;
use tidegate_scheduler::command::{
    ClientCommand, OnDisconnect, PoolSettings, QueueOrder, Scheduling, Submit,
};
use tidegate_scheduler::resources::{Need, Tier};
use tidegate_scheduler::time::Millis;
use tidegate_store::Digest;

pub(crate) fn config(data: &Path, limits: Limits) -> ControllerConfig {
    ControllerConfig {
        data: data.to_owned(),
        cluster: "test".into(),
        listen: "127.0.0.1:0".parse().unwrap(),
        advertise: None,
        http: String::new(),
        nodes: None,
        record: None,
        limits,
        log: LogOptions { reserve_bytes: 1 << 20, ..LogOptions::default() },
        catalogue: Catalogue::builtin(),
        worker_program: ("/bin/false".into(), Vec::new()),
        set_up_node: Arc::new(|_| Err("no node is made in this test".to_owned())),
    }
}

/// A pool that may have no nodes: what is submitted stays queued.
pub(crate) fn pool() -> ClientCommand {
    ClientCommand::ApplyPool(Box::new(PoolSettings {
        workspace: "default".into(),
        name: "still".into(),
        team: None,
        region: "local".into(),
        size: Catalogue::builtin().find("Standard_DS3_v2").unwrap(),
        tier: Tier::Dedicated,
        min_instances: 0,
        max_instances: 0,
        idle_time_before_scale_down: Millis::seconds(120),
        order: QueueOrder::Fair,
        provider: Vec::new(),
    }))
}

pub(crate) fn submit(name: &str, body: &str) -> ClientCommand {
    ClientCommand::Submit(Box::new(Submit {
        name: name.into(),
        workspace: "default".into(),
        experiment: "tests".into(),
        pool: None,
        count: 1,
        need: Need::WholeNode,
        priority: 50,
        scheduling: Scheduling::default(),
        retries: 0,
        on_disconnect: OnDisconnect::Continue,
        grace: Millis::seconds(10),
        digest: Digest::of(body.as_bytes()).into(),
        body: body.into(),
    }))
}
