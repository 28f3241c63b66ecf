//! Who is let in: the checks of every `InfrastructureManager` line, on every call.

use crate::{AdminsError, AuthError, Caller, UserDbError, caller::equal, identities};
use im_model::{AuthLine, Credentials, Secret};
use serde::Deserialize;

/// What `USER_DB` says.
#[derive(Clone, Debug, Default)]
pub enum Users {
    /// It is not set: any name and password name an account.
    #[default]
    Anyone,
    /// Only those listed.
    Listed(UserDb),
    /// It is set but cannot be read: nobody.
    Nobody,
}

/// The contents of `USER_DB`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct UserDb {
    users: Vec<Account>,
}

#[derive(Clone, Debug, Deserialize)]
struct Account {
    username: String,
    #[serde(with = "Secret")]
    password: Secret,
}

impl UserDb {
    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<Self, UserDbError> {
        serde_json::from_str(text).map_err(|e| UserDbError {
            line: e.line(),
            column: e.column(),
        })
    }

    fn has(&self, line: &AuthLine) -> bool {
        self.users.iter().any(|u| u.is(line))
    }
}

impl Account {
    fn is(&self, line: &AuthLine) -> bool {
        line.plain("username") == self.username && equal(line.get("password"), Some(&self.password))
    }
}

/// The administrators that `ADMIN_USER` names.
#[derive(Clone, Debug, Default)]
pub struct Admins(Vec<Account>);

impl Admins {
    /// From the value of `ADMIN_USER`: an object or an array of them; `{}` is nobody.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, AdminsError> {
        let items: &[serde_json::Value] = match value {
            serde_json::Value::Array(items) => items,
            serde_json::Value::Object(members) if members.is_empty() => &[],
            other => std::slice::from_ref(other),
        };
        let text = |item: &serde_json::Value, key| item.get(key).and_then(|v| v.as_str()).map(str::to_owned);
        items
            .iter()
            .map(|item| match (text(item, "username"), text(item, "password")) {
                (Some(username), Some(password)) => Ok(Account {
                    username,
                    password: Secret::new(password),
                }),
                _ => Err(AdminsError("an administrator lacks a username or a password")),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Whose tokens are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenIssuers {
    /// `OIDC_ISSUERS` is empty.
    #[default]
    None,
    /// It is not, but tokens cannot be checked by this version.
    Configured,
}

/// Which identities are acceptable at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identities {
    /// Names and tokens.
    #[default]
    Any,
    /// `FORCE_OIDC_AUTH`: tokens only.
    TokensOnly,
}

/// The rules for letting callers in.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `USER_DB`, read anew for each check by whoever owns the file.
    pub users: Users,
    /// `ADMIN_USER`.
    pub admins: Admins,
    /// `OIDC_ISSUERS`.
    pub issuers: TokenIssuers,
    /// `FORCE_OIDC_AUTH`.
    pub identities: Identities,
}

impl Policy {
    /// Checks every `InfrastructureManager` line; all must pass, and there must be one.
    pub fn check(&self, mut credentials: Credentials) -> Result<Caller, AuthError> {
        let mut admin = false;
        let mut any = false;
        for line in identities(&credentials) {
            any = true;
            self.check_line(line)?;
            admin |= self.admins.0.iter().any(|a| a.is(line));
        }
        if !any {
            return Err(AuthError::NoIdentity);
        }
        // Only the configuration makes administrators.
        for line in credentials.lines.iter_mut().filter(|l| l.kind() == crate::IM) {
            line.remove("admin");
        }
        Ok(Caller::new(credentials, admin))
    }

    fn check_line(&self, line: &AuthLine) -> Result<(), AuthError> {
        let has_token = line.get("token").is_some();
        if self.identities == Identities::TokensOnly && !has_token {
            return Err(AuthError::TokenRequired);
        }
        if has_token {
            return Err(match self.issuers {
                TokenIssuers::None => AuthError::NoIssuer,
                TokenIssuers::Configured => AuthError::TokensUnchecked,
            });
        }
        if line.get("username").is_none() {
            return Err(AuthError::NoName);
        }
        if line.plain("username").starts_with("__OPENID__") {
            return Err(AuthError::ReservedName);
        }
        match &self.users {
            Users::Anyone => Ok(()),
            Users::Listed(db) if db.has(line) => Ok(()),
            Users::Listed(_) | Users::Nobody => Err(AuthError::NotListed),
        }
    }
}
