//! The engine's simulator: a small application, simulated clouds and database, processes that die at chosen moments,
//! and the demands on what is left.
//!
//! Time is tokio's paused clock and all chance comes from a seed: a schedule that fails can be run again.

mod check;
mod flow;
mod world;

pub use check::check;
pub use flow::{Ask, SimFlow};
pub use world::{World, WorldOptions};
