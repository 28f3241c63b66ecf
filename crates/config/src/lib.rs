//! `im.cfg`: what the operator decides. Text in; typed values, warnings and errors out.
//!
//! Everything here is pure: whoever starts the service reads the files and the environment. The table of the keys
//! ([`KEYS`]) is the only place that names one; the structure, the defaults and `docs/configuration.md` come from it.

mod config;
mod error;
mod ini;
mod keys;
mod manual;
mod value;

pub use config::{Environment, Place, Read, Source};
pub use error::ConfigError;
pub use keys::{Config, Effect, KEYS, Key, Origin, Section};
pub use manual::manual;
pub use value::JsonSecret;
