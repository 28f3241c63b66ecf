//! `USER_DB`: who is let in, read again when the file changes.

use im_auth::{Policy, UserDb, Users};
use im_service::PolicySource;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

/// What tells that a file is another than before.
type Stamp = (SystemTime, u64);

/// The rules, with the users that the file names now. A file that cannot be read lets nobody in.
pub(super) fn source(policy: Policy, user_db: &str) -> PolicySource {
    if user_db.is_empty() {
        return Arc::new(move || policy.clone());
    }
    let path = PathBuf::from(user_db);
    let known = Mutex::new((None, Users::Nobody));
    Arc::new(move || {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&path);
        if stamp.is_none() || known.0 != stamp {
            *known = (stamp, read(&path));
        }
        Policy {
            users: known.1.clone(),
            ..policy.clone()
        }
    })
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path) -> Users {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) => {
            tracing::error!("USER_DB {}: {e}; nobody is let in", path.display());
            return Users::Nobody;
        }
    };
    match UserDb::parse(&text) {
        Ok(users) => Users::Listed(users),
        Err(e) => {
            tracing::error!("USER_DB {}: {e}; nobody is let in", path.display());
            Users::Nobody
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use im_auth::parse_text;

    fn lets_in(source: &PolicySource, user: &str) -> bool {
        let text = format!("type = InfrastructureManager; username = {user}; password = p");
        source().check(parse_text(&text).unwrap().credentials).is_ok()
    }

    #[test]
    fn changes_of_the_file_count_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        let source = source(Policy::default(), path.to_str().unwrap());
        assert!(!lets_in(&source, "a"), "no file");
        fs::write(&path, r#"{"users":[{"username":"a","password":"p"}]}"#).unwrap();
        assert!(lets_in(&source, "a") && !lets_in(&source, "bb"));
        fs::write(&path, r#"{"users":[{"username":"bb","password":"p"}]}"#).unwrap();
        assert!(!lets_in(&source, "a") && lets_in(&source, "bb"));
        fs::write(&path, "nonsense").unwrap();
        assert!(!lets_in(&source, "bb"));
        assert!(lets_in(&super::source(Policy::default(), ""), "anybody"));
    }
}
