//! Somebody whose credentials for this service were accepted.

use crate::{IM, identities};
use im_model::{AuthLine, Credentials, Secret};
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// A caller. Can only be made by [`crate::Policy::check`].
#[derive(Clone, Debug)]
pub struct Caller {
    credentials: Arc<Credentials>,
    admin: bool,
}

impl Caller {
    pub(crate) fn new(credentials: Credentials, admin: bool) -> Self {
        Self {
            credentials: Arc::new(credentials),
            admin,
        }
    }

    /// All lines that the caller sent, in order. Claims to be an administrator have been taken out.
    pub fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// The lines to store as owners of what this caller creates.
    pub fn owners(&self) -> Credentials {
        Credentials {
            lines: identities(&self.credentials).cloned().collect(),
        }
    }

    /// User name of the first identity; what `VM_TAG_USERNAME` tells clouds.
    pub fn username(&self) -> &str {
        identities(&self.credentials).next().map_or("", |l| l.plain("username"))
    }

    /// Whether one of the identities is an administrator's.
    pub fn is_admin(&self) -> bool {
        self.admin
    }

    /// Whether the caller may touch what these owners own: administrators may, and whoever brings an identity with an
    /// owner's name and password; if that owner came with a token, the identity must have one too.
    pub fn may_access(&self, owners: &Credentials) -> bool {
        self.admin
            || owners
                .of_kind(IM)
                .any(|owner| identities(&self.credentials).any(|mine| is_same_person(mine, owner)))
    }
}

fn is_same_person(mine: &AuthLine, owner: &AuthLine) -> bool {
    // A line without a name is nobody's: only an issuer could have told whose token it is.
    let named = owner.get("username").is_some();
    named
        && equal(mine.get("username"), owner.get("username"))
        && equal(mine.get("password"), owner.get("password"))
        && (owner.get("token").is_none() || mine.get("token").is_some())
}

/// Equality that takes as long for a near miss as for a far one.
pub(crate) fn equal(a: Option<&Secret>, b: Option<&Secret>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.expose().as_bytes().ct_eq(b.expose().as_bytes()).into(),
        (None, None) => true,
        _ => false,
    }
}
