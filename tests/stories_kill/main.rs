//! Crashes of every part under load: nothing that was acknowledged is lost, nothing that ended runs again, and what runs
//! neither notices nor is doubled.

mod agent;
mod clients;
mod controller;
mod keeper;
mod load;
mod verdict;
