//! Ctrl-C: the leader starts nothing more, and gives all nodes back once their runs have ended.

use super::house::{House, ask};
use crate::failure::Failure;
use crate::follow::is_passing;
use crate::output::note;
use crate::server::Signals;
use std::time::Duration;
use tidegate_gateway::api::{Drain, DrainView, StatusView};

/// The pause between two looks.
const AGAIN: Duration = Duration::from_millis(200);

/// Drains until nothing is left or people want to wait no longer: once more stops what runs, a third time leaves it.
pub(super) async fn drain(house: &House, signals: &mut Signals) -> Result<(), Failure> {
    tell(house).await;
    tokio::select! {
        drained = until_empty(house, false) => return drained,
        () = signals.next() => {}
    }
    note(
        "stopping now: what runs is stopped, and queued again for the next start; once more leaves it running",
    );
    tokio::select! {
        drained = until_empty(house, true) => drained,
        () = signals.next() => {
            note("runs live on, and are taken up again by the next start on the same folder");
            Ok(())
        }
    }
}

/// Asks for it, and again when another one leads that does not know of it, until no node is left.
async fn until_empty(house: &House, force: bool) -> Result<(), Failure> {
    let mut asked = false;
    loop {
        let nodes = match asked {
            false => begin(house, force).await,
            true => look(house).await,
        };
        match nodes {
            Ok(Some(0)) => return Ok(()),
            Ok(left) => asked = left.is_some(),
            Err(failure) if is_passing(&failure) => {}
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn begin(house: &House, force: bool) -> Result<Option<u64>, Failure> {
    let wanted = Drain { force };
    let begun = ask(&house.client, move |client| client.post::<DrainView>("/drain", &[], &wanted));
    begun.await.map(|view| Some(view.nodes))
}

/// How many nodes are left; nothing when the one that leads does not drain.
async fn look(house: &House) -> Result<Option<u64>, Failure> {
    let status = ask(&house.client, |client| client.get::<StatusView>("/status", &[])).await?;
    let nodes = &status.nodes;
    let left = [nodes.coming, nodes.idle, nodes.running, nodes.unusable, nodes.leaving];
    Ok(status.draining.then(|| left.into_iter().map(u64::from).sum()))
}

async fn tell(house: &House) {
    let status = ask(&house.client, |client| client.get::<StatusView>("/status", &[])).await;
    match status.map_or(0, |status| status.running_elements) {
        0 => note("draining: nothing runs, the nodes are given back"),
        1 => note("draining: one run goes on, and is waited for; Ctrl-C again stops it"),
        many => {
            note(format_args!("draining: {many} runs go on, and are waited for; Ctrl-C again stops them"))
        }
    }
}
