//! For tests only: simulated cloud, simulated database and crashes, the engine's simulator, conformance suite,
//! fixtures.

pub mod conformance;
mod crash;
mod dice;
mod memory;
mod nodes;
pub mod proxy;
mod safeguard;
mod simcloud;
pub mod simulator;

pub use crash::{CrashStore, Life, Mishap, Mishaps};
pub use dice::Dice;
pub use memory::{MemoryStore, at_rest};
pub use nodes::{NodeImage, Nodes, TestNode, required};
pub use safeguard::Safeguard;
pub use simcloud::{Always, Fault, Object, SimCloud, SimCloudOptions};
