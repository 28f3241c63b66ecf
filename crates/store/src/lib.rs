//! The database: rows in, rows out, one writer per infrastructure.
//!
//! [`Store`] is what the rest of the service sees; nothing above it knows which database it is. Every change of an
//! infrastructure goes through [`Store::commit`] under a [`Fence`]: one short transaction that begins by checking the
//! infrastructure's epoch. Secrets are sealed before they reach the database ([`Store`] implementations do it; callers
//! hand over plain values).
//!
//! Never here: HTTP, clouds, the meaning of an operation.

mod error;
mod graves;
mod keys;
mod rows;
mod sqlite;
mod traits;

pub use error::{StoreError, StoreResult};
pub use graves::{Bounds, Grave, Graves, Pruned, Tombstone};
pub use keys::{KeyFile, KeyId, KeyRing, KeyRole, new_key_line};
pub use rows::{
    Claim, Committed, Fence, Heeded, InfraState, Listed, Owned, Release, Submission, Submitted, Wished, Write,
};
pub use sqlite::{Clock, KeyUse, Resealed, SealedRows, SqliteOptions, SqliteStore, parse_data_db};
pub use traits::{OperationFilter, Store};
