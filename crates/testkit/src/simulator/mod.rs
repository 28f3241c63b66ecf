//! The engine's simulator: a small application, simulated clouds and database, processes that die at chosen moments,
//! and the demands on what is left.
//!
//! Time is tokio's paused clock and all chance comes from a seed: a schedule that fails can be run again.

mod check;
mod database;
mod flow;
mod play;
mod schedule;
mod world;

pub use check::check;
pub use database::Database;
pub use flow::{Ask, SimFlow};
pub use play::{Played, on_paused_clock, play};
pub use schedule::{Act, Ending, Schedule, Trouble};
pub use world::{World, WorldOptions};
