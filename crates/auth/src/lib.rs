//! Credentials: from header or file to lines, from lines to clouds, and who may touch what.
//!
//! Everything here is pure: no file is read, no cloud is asked, no clock is looked at. In particular `file(…)` and
//! `command(…)` are texts like any other: only the user's own client may expand them. Values are
//! [`im_model::Secret`]s from the first split on, and no error repeats one.
//!
//! Source: api contract section 4, connectors-b section 1.

mod caller;
mod check;
mod clouds;
mod error;
mod header;
mod host;
mod json;
mod line;
mod lookup;

pub use caller::Caller;
pub use check::{Admins, Identities, Policy, TokenIssuers, UserDb, Users};
pub use clouds::{cloud_ref, clouds};
pub use error::{AdminsError, AuthError, CloudListError, LookupError, UserDbError};
pub use header::{header_text, parse_header};
pub use host::{Host, HostError};
pub use line::Parsed;
pub use lookup::line_for;

use im_model::{AuthLine, Credentials};

/// `type` of the lines that say who the caller is to this service.
pub const IM: &str = "InfrastructureManager";

/// Reads credentials from the text of a file: JSON form if the whole text is JSON, line form otherwise.
///
/// Line form never fails as a whole: what cannot be read of a line is left out and told in [`Parsed::notes`].
pub fn parse_text(text: &str) -> Result<Parsed, AuthError> {
    if let Some(credentials) = json::parse(text)? {
        return checked(Parsed {
            credentials,
            notes: Vec::new(),
        });
    }
    let mut parsed = Parsed::default();
    for (number, line) in text.lines().enumerate() {
        parsed.take(line, number + 1);
    }
    checked(parsed)
}

/// Whether a text may be the `id` of an auth line: `[a-zA-Z_.][\w.-]*`.
pub fn valid_id(id: &str) -> bool {
    let mut chars = id.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == '.')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Refuses ids that no document could name.
fn checked(parsed: Parsed) -> Result<Parsed, AuthError> {
    let bad = |line: &&AuthLine| !line.plain("id").is_empty() && !valid_id(line.plain("id"));
    match parsed.credentials.lines.iter().find(bad) {
        Some(line) => Err(AuthError::BadId {
            id: line.plain("id").chars().take(100).collect(),
        }),
        None => Ok(parsed),
    }
}

/// The lines of `credentials` that say who the caller is to this service.
pub(crate) fn identities(credentials: &Credentials) -> impl Iterator<Item = &AuthLine> {
    credentials.of_kind(IM)
}
