//! For tests only: simulated cloud, simulated database and crashes, the engine's simulator, conformance suite,
//! fixtures, the search for secrets that were planted.

pub mod conformance;
mod crash;
mod dice;
mod memory;
mod nodes;
pub mod proxy;
mod safeguard;
mod search;
mod simcloud;
pub mod simulator;
mod watch;

pub use crash::{CrashStore, Life, Mishap, Mishaps};
pub use dice::Dice;
pub use memory::{MemoryStore, at_rest};
pub use nodes::{NodeImage, Nodes, TestNode, required};
pub use safeguard::Safeguard;
pub use search::{Leak, Search, files};
pub use simcloud::{Always, Fault, Object, SimCloud, SimCloudOptions};
pub use watch::{NodeWatch, Sample};
