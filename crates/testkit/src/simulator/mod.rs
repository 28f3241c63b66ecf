//! The engine's simulator: a small application, simulated clouds and database, processes that die at chosen moments,
//! and the demands on what is left.
//!
//! Time is tokio's paused clock and a schedule follows from its seed: one that fails can be run again. Only the order of
//! tasks that wake at one instant is left to chance (tokio shuffles those that wait for a `watch`), so it is run several
//! times.

mod check;
mod database;
mod flow;
mod play;
mod schedule;
mod world;

pub use check::{check, demand};
pub use database::Database;
pub use flow::{Ask, SimFlow};
pub use play::{Played, on_paused_clock, play};
pub use schedule::{Act, Ending, Schedule, Trouble};
pub use world::{World, WorldOptions};
