//! Several controllers on this machine, kept by one process: to try what a cluster does when one of them is lost.
//!
//! ```text
//! up --controllers 3 ─┬─ D/c1  controller run --supervised ─┐
//!                     ├─ D/c2  controller run --supervised ─┼─ D/nodes  (whoever leads has them)
//!                     └─ D/c3  controller run --supervised ─┘
//! ```
//!
//! Each is a process of its own, with a data folder of its own. The supervisor starts those again that die, has those
//! replaced that have lost their data, and talks with them as any client does.

mod drain;
mod house;
mod pool;
mod process;
mod restarts;
mod roster;
mod seat;

use self::house::{House, ask};
use self::roster::{Roster, Seat};
use crate::context::{Context, Contexts};
use crate::failure::Failure;
use crate::follow::is_passing;
use crate::output::{Format, note};
use crate::server::{self, DEFAULT_HTTP, ServerConfig, Signals};
use anyhow::anyhow;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tidegate_controller::disk::lock_folder;
use tidegate_gateway::api::{Page, PoolView};

/// A controller that died so often at once will not come up.
const HOPELESS: u32 = 6;
/// The pause between two looks at a cluster that comes up.
const LOOK: Duration = Duration::from_millis(50);
/// How long all controllers are waited for once there is a leader.
const ALL_UP: Duration = Duration::from_secs(10);

/// What to start.
pub(crate) struct Plan {
    pub(crate) data: PathBuf,
    /// How many controllers.
    pub(crate) count: usize,
    /// Where the first one's clients connect; as it was, or the usual, when absent.
    pub(crate) http: Option<SocketAddr>,
    pub(crate) config: ServerConfig,
    pub(crate) format: Format,
}

/// How many controllers a data folder has, if it is one of several.
pub(crate) fn controllers_of(folder: &Path) -> anyhow::Result<Option<usize>> {
    Ok(Roster::load(folder)?.map(|roster| roster.seats.len()))
}

/// Starts the controllers, and returns once they have stopped.
pub(crate) async fn cluster(plan: Plan) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let Plan { data, count, http, config, format } = plan;
    // What is wrong with the sizes is told once, and here.
    config.extra_sizes()?;
    // One supervisor at a time; a server of one controller takes the same lock.
    let _lock = lock_folder(&data).map_err(anyhow::Error::from)?;
    let token = server::token_of(&data)?;
    let roster = match Roster::load(&data)? {
        Some(roster) => moved(roster, http, &data)?,
        None => Roster::found(&data, count, http.unwrap_or(DEFAULT_HTTP))?,
    };
    let house = Rc::new(House::new(data, config, roster, token.clone())?);
    house.refuse_lost_majority()?;
    let tasks: Vec<_> =
        house.taken().into_iter().map(|seat| actix_rt::spawn(watch(house.clone(), seat.number))).collect();
    let outcome = serve(&house, token, format, &mut signals).await;
    house.stop();
    for task in tasks {
        task.await.map_err(|error| anyhow!("a controller's keeper ended: {error}"))?;
    }
    outcome
}

async fn watch(house: Rc<House>, number: u32) {
    if let Err(failure) = seat::keep(house, number).await {
        note(format_args!("c{number} is given up: {failure}"));
    }
}

/// The list with another port for the first one's clients, if one is asked for.
fn moved(mut roster: Roster, http: Option<SocketAddr>, folder: &Path) -> anyhow::Result<Roster> {
    if let (Some(http), Some(seat)) = (http.filter(|http| http.port() != 0), roster.seat(1))
        && seat.http != http
    {
        seat.http = http;
        roster.save(folder)?;
    }
    Ok(roster)
}

/// From the first leader to the end of the drain.
async fn serve(house: &House, token: String, format: Format, signals: &mut Signals) -> Result<(), Failure> {
    let pool = tokio::select! {
        up = came_up(house) => up?,
        () = signals.next() => return Ok(()),
    };
    let servers: Vec<String> = house.taken().iter().map(Seat::url).collect();
    let data = house.path();
    Contexts::of_user()?.write(&Context { servers: servers.clone(), token, data: data.to_owned() })?;
    server::announce_up(format, &servers, data, &pool)?;
    signals.next().await;
    drain::drain(house, signals).await
}

/// Waits for a leader, and a while for the others; says what runs go to.
async fn came_up(house: &House) -> Result<String, Failure> {
    loop {
        match ask(&house.client, |client| client.get::<Page<PoolView>>("/pools", &[])).await {
            Ok(_) => break,
            Err(failure) if is_passing(&failure) => {}
            Err(failure) => return Err(failure),
        }
        if let Some(words) = house.hopeless(HOPELESS) {
            return Err(anyhow!("the controllers end as soon as they start:\n{words}").into());
        }
        tokio::time::sleep(LOOK).await;
    }
    let pool = pool::ensure(house).await?;
    let since = Instant::now();
    let count = house.taken().len();
    while since.elapsed() < ALL_UP {
        let ready =
            ask(&house.client, move |client| Ok((0..count).filter(|at| client.is_ready(*at)).count()));
        if ready.await? == count {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(pool)
}
