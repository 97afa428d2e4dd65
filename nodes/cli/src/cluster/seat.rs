//! One controller among those of a data folder: kept running, and replaced when it has lost its data.

use super::house::{House, ask};
use super::process;
use super::restarts::{End, Restarts};
use super::roster::Seat;
use crate::failure::Failure;
use crate::follow::is_passing;
use crate::output::note;
use crate::server;
use anyhow::Context as _;
use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegate_controller::{JoinBundle, membership};
use tidegate_gateway::api::{ControllerView, Invite, Page};

/// The pause between two questions to a cluster that cannot answer yet.
const AGAIN: Duration = Duration::from_millis(500);

/// Keeps the controller of a seat running until it is time to stop, or until it has been removed.
pub(super) async fn keep(house: Rc<House>, number: u32) -> Result<(), Failure> {
    let mut restarts = Restarts::default();
    loop {
        tokio::select! {
            ready = make_ready(&house, number) => ready?,
            () = house.stopped() => return Ok(()),
        }
        let seat = house.seat(number)?;
        let begun = Instant::now();
        let mut child = process::start(&house, &seat)?;
        let status = tokio::select! {
            status = process::ended(&mut child) => status?,
            () = house.stopped() => return Ok(process::stop(child, number).await?),
        };
        let (end, pause) = (End::of(status), restarts.died_after(begun.elapsed()));
        let words = process::last_words(&seat.log(house.path()));
        house.note_deaths(number, restarts.deaths(), words.clone());
        match end {
            End::Left if was_removed(&house, seat.id).await => {
                house.change(number, |seat| seat.removed = true)?;
                note(format_args!(
                    "c{number} (controller c{}) was removed from the cluster and is not started again",
                    seat.id
                ));
                return Ok(());
            }
            End::Damaged => {
                note(format_args!("c{number}: {words}"));
                put_aside(&house, &seat)?;
            }
            End::Left => tell(number, "has stopped", pause, None),
            // What a signal ends has no last words.
            End::Died(how) => tell(number, &format!("died ({how})"), pause, status.code().map(|_| &*words)),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = house.stopped() => return Ok(()),
        }
    }
}

fn tell(number: u32, how: &str, pause: Duration, words: Option<&str>) {
    let when = match pause {
        Duration::ZERO => "is started again".to_owned(),
        pause => format!("is started again in {:.2} s", pause.as_secs_f64()),
    };
    let words = words.map_or_else(String::new, |words| format!("; its last words: {words}"));
    note(format_args!("c{number} {how} and {when}{words}"));
}

/// Whether the cluster no longer knows a controller. One that nobody answers for is believed to be there.
async fn was_removed(house: &House, id: u64) -> bool {
    let listed = ask(&house.client, |client| client.get::<Page<ControllerView>>("/controllers", &[])).await;
    listed.is_ok_and(|list| !list.items.iter().any(|controller| controller.id == id))
}

/// Makes sure that the seat's folder is a controller's: of the one that sits there, or of a new one in its place.
async fn make_ready(house: &House, number: u32) -> Result<(), Failure> {
    let seat = house.seat(number)?;
    let (data, bundle) = (seat.data(house.path()), seat.bundle(house.path()));
    let known = membership(&data).map_err(anyhow::Error::from)?;
    if known.is_none() && !bundle.exists() {
        // What a part of a folder is left is no use to a new controller.
        if fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some()) {
            put_aside(house, &seat)?;
        }
        invite(house, number).await?;
    }
    let member = server::join(&data, bundle.exists().then_some(bundle.as_path()))?;
    if member.id != seat.id {
        house.change(number, |seat| (seat.id, seat.replacing) = (member.id, None))?;
        note(format_args!("c{number} is a new controller now: c{} in place of c{}", member.id, seat.id));
    }
    Ok(())
}

/// Moves a folder that must not be used again out of the way.
fn put_aside(house: &House, seat: &Seat) -> anyhow::Result<()> {
    let data = seat.data(house.path());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let aside = data.with_extension(format!("damaged-{now}"));
    fs::rename(&data, &aside).with_context(|| format!("cannot move {} aside", data.display()))?;
    note(format_args!("c{}: its data folder is damaged, and was moved to {}", seat.number, aside.display()));
    Ok(())
}

/// Asks the cluster, for as long as it takes, to let a new controller in for the one that has lost its data.
async fn invite(house: &House, number: u32) -> Result<(), Failure> {
    let mut key = String::new();
    let seat = house.change(number, |seat| key = seat.key())?;
    note(format_args!(
        "c{number} has lost its data: a new controller takes the place of c{} once there is a leader",
        seat.id
    ));
    let path = seat.bundle(house.path());
    loop {
        let (key, wanted) = (key.clone(), Invite { voter: true, replaces: Some(seat.id) });
        let asked =
            ask(&house.client, move |client| client.post_as::<JoinBundle>(&key, "/controllers", &wanted));
        match asked.await {
            Ok(bundle) => return Ok(bundle.save(&path).map_err(anyhow::Error::from)?),
            Err(failure) if is_passing(&failure) => tokio::time::sleep(AGAIN).await,
            Err(failure) => return Err(failure),
        }
    }
}
