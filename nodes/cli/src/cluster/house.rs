//! What the tasks of one supervisor share.

use super::roster::{Roster, Seat};
use crate::client::{Client, Servers};
use crate::failure::Failure;
use crate::server::{ControllerFile, ServerConfig};
use anyhow::anyhow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tidegate_controller::membership;
use tokio::sync::watch;

/// Folder of the nodes, which all controllers share.
const NODES: &str = "nodes";

/// What the tasks of one supervisor share; all are on one thread.
pub(super) struct House {
    /// The data folder of them all.
    pub(super) folder: PathBuf,
    pub(super) config: ServerConfig,
    /// Asks each controller once, and gives up.
    pub(super) client: Client,
    roster: RefCell<Roster>,
    /// How often the controller of each seat has died in quick succession.
    deaths: RefCell<BTreeMap<u32, (u32, String)>>,
    stopping: watch::Sender<bool>,
}

impl House {
    pub(super) fn new(
        folder: PathBuf,
        config: ServerConfig,
        roster: Roster,
        token: String,
    ) -> Result<House, Failure> {
        let urls = roster.taken().map(Seat::url).collect();
        let client = Client::of(Servers::new(urls)?, Some(token)).impatient();
        Ok(House {
            folder,
            config,
            client,
            roster: RefCell::new(roster),
            deaths: RefCell::default(),
            stopping: watch::Sender::new(false),
        })
    }

    /// A seat as it is now.
    pub(super) fn seat(&self, number: u32) -> anyhow::Result<Seat> {
        let found = self.roster.borrow_mut().seat(number).cloned();
        found.ok_or_else(|| anyhow!("there is no controller c{number} here"))
    }

    /// The seats that somebody sits in.
    pub(super) fn taken(&self) -> Vec<Seat> {
        self.roster.borrow().taken().cloned().collect()
    }

    /// Changes a seat, durably.
    pub(super) fn change(&self, number: u32, change: impl FnOnce(&mut Seat)) -> anyhow::Result<Seat> {
        let mut roster = self.roster.borrow_mut();
        let seat = roster.seat(number).ok_or_else(|| anyhow!("there is no controller c{number} here"))?;
        change(seat);
        let seat = seat.clone();
        roster.save(&self.folder)?;
        Ok(seat)
    }

    /// What the controller of a seat is told: where it is, the folder of nodes and the token that all share.
    pub(super) fn file(&self, seat: &Seat) -> ControllerFile {
        let mut file =
            ControllerFile::new(seat.data(&self.folder), seat.listen, seat.http, self.config.clone());
        file.nodes = Some(self.folder.join(NODES));
        file.token = Some(self.folder.join("token"));
        file
    }

    /// Refuses to start when those that still have their data cannot elect a leader.
    pub(super) fn refuse_lost_majority(&self) -> Result<(), Failure> {
        let seats = self.taken();
        let mut lost = Vec::new();
        for seat in &seats {
            let known = membership(&seat.data(&self.folder)).map_err(anyhow::Error::from)?;
            if known.is_none() && !seat.bundle(&self.folder).exists() {
                lost.push(format!("c{}", seat.number));
            }
        }
        if lost.len() * 2 < seats.len() {
            return Ok(());
        }
        Err(anyhow!(
            "{} of {} controllers in {} have lost their data folders: the others are no majority and cannot elect a \
             leader. Bring those folders back, or start on another folder",
            lost.join(", "),
            seats.len(),
            self.folder.display()
        )
        .into())
    }

    /// The controller of a seat has died so often in quick succession; its last words.
    pub(super) fn note_deaths(&self, number: u32, deaths: u32, words: String) {
        self.deaths.borrow_mut().insert(number, (deaths, words));
    }

    /// Whether so many die of their start that no leader can be elected; with their last words.
    pub(super) fn hopeless(&self, deaths: u32) -> Option<String> {
        let died = self.deaths.borrow();
        let dying: Vec<String> = died
            .iter()
            .filter(|(_, (count, _))| *count >= deaths)
            .map(|(number, (_, words))| format!("c{number}: {words}"))
            .collect();
        (dying.len() * 2 >= self.taken().len()).then(|| dying.join("\n"))
    }

    /// Tells every task to stop.
    pub(super) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits until it is time to stop.
    pub(super) async fn stopped(&self) {
        // This value is itself a sender: the wait ends only when it is told.
        drop(self.stopping.subscribe().wait_for(|stopping| *stopping).await);
    }

    /// The folder, for what lies beside the controllers' own.
    pub(super) fn path(&self) -> &Path {
        &self.folder
    }
}

/// Asks a controller from a thread that may wait.
pub(super) async fn ask<T: Send + 'static>(
    client: &Client,
    question: impl FnOnce(&Client) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let client = client.clone();
    let asked = tokio::task::spawn_blocking(move || question(&client)).await;
    asked.map_err(|error| anyhow::Error::from(error).context("a question to the controllers ended"))?
}
