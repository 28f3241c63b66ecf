//! What can be wrong with credentials. No message repeats a secret value.

use crate::HostError;
use thiserror::Error;

/// Why a caller is not let in (HTTP 401).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthError {
    /// No header, or nothing in it.
    #[error("No authentication data provided")]
    Missing,
    /// The header cannot be read at all.
    #[error("No authentication data provided: {0}")]
    Unreadable(&'static str),
    /// An `id` that no document could name.
    #[error("Incorrect value in auth item id: {id}")]
    BadId {
        /// The id (at most 100 characters of it).
        id: String,
    },
    /// No `InfrastructureManager` line.
    #[error("No credentials provided for the InfrastructureManager.")]
    NoIdentity,
    /// `FORCE_OIDC_AUTH` and a line without token.
    #[error("No token provided for the InfrastructureManager.")]
    TokenRequired,
    /// A line with neither token nor user name.
    #[error("No username nor token for the InfrastructureManager.")]
    NoName,
    /// A plain user name in the form that is kept for users of an issuer.
    #[error("Invalid username used for the InfrastructureManager.")]
    ReservedName,
    /// Not in `USER_DB`.
    #[error("Invalid InfrastructureManager credentials")]
    NotListed,
    /// A token, while `OIDC_ISSUERS` names nobody.
    #[error("Invalid InfrastructureManager credentials. Issuer not accepted.")]
    NoIssuer,
    /// A token, while this version cannot check tokens.
    #[error(
        "Invalid InfrastructureManager credentials. This version cannot check tokens: use a user name and a password."
    )]
    TokensUnchecked,
}

/// Why the list of clouds cannot be made from the lines.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CloudListError {
    /// `host` of a line cannot be read.
    #[error("auth line {position} (type {kind}, id {id}): host: {reason}")]
    BadHost {
        /// Position among all lines, from 1.
        position: usize,
        /// `type` of the line.
        kind: String,
        /// Its `id`, given or generated.
        id: String,
        /// What is wrong.
        reason: HostError,
    },
    /// Two lines go by one id, so that nobody could say which is meant.
    #[error("auth lines {first} and {second} have the same id {id}: give each line an id of its own")]
    DuplicateId {
        /// The id.
        id: String,
        /// Position of the first among all lines, from 1.
        first: usize,
        /// Position of the other.
        second: usize,
    },
}

/// Why there is no line for a stored VM.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LookupError {
    /// There is no line of the type.
    #[error("No auth data has been specified to {kind}.")]
    NoLine {
        /// The type.
        kind: String,
    },
    /// There are lines of the type, but for other places.
    #[error("No compatible auth data has been specified to {kind}.")]
    NoneFits {
        /// The type.
        kind: String,
    },
}

/// `USER_DB` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("USER_DB: line {line}, column {column}: not of the form {{\"users\":[{{\"username\":…,\"password\":…}}]}}")]
pub struct UserDbError {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// `ADMIN_USER` is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("ADMIN_USER: {0}; write {{\"username\": …, \"password\": …}} or an array of such objects")]
pub struct AdminsError(pub &'static str);
