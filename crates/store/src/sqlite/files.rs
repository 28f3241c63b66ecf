//! The files of a database: its folder, its mode, the lock that one process holds for life.
//!
//! Never here: SQL.

use crate::{StoreError, StoreResult};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Where `DATA_DB` points: `sqlite:///path`, `file:///path` or a path.
pub fn parse_data_db(text: &str) -> StoreResult<PathBuf> {
    let text = text.trim();
    let path = match text.split_once("://") {
        // Whatever stands between the slashes and the path is dropped, as the original does.
        Some(("sqlite" | "file", rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        Some((scheme @ ("mysql" | "mariadb" | "mongodb" | "mongodb+srv" | "postgres" | "postgresql"), _)) => {
            return Err(StoreError::Refused(format!(
                "DATA_DB: {scheme} databases are not in this version: use a path or sqlite:///path"
            )));
        }
        Some((scheme, _)) => {
            return Err(StoreError::Refused(format!(
                "DATA_DB: unknown kind of database {scheme:?}: use a path or sqlite:///path"
            )));
        }
        None => text,
    };
    if path.is_empty() || path == "/" {
        return Err(StoreError::Refused(
            "DATA_DB: no path: use a path or sqlite:///path".to_owned(),
        ));
    }
    Ok(path.into())
}

/// What a store keeps of the file system until its last connection is closed. Fields are dropped in this order: the
/// lock goes before the folder it is in.
#[derive(Debug)]
pub(super) struct Files {
    _lock: File,
    _folder: Option<TemporaryFolder>,
}

impl Files {
    /// Makes folder and database file where absent, and takes the lock.
    pub(super) fn prepare(path: &Path, wait: Duration, folder: Option<TemporaryFolder>) -> StoreResult<Self> {
        let failed = |what: &str, e: io::Error| StoreError::Database(format!("cannot {what} {}: {e}", path.display()));
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(|e| failed("make the folder of", e))?;
        }
        let lock = lock(path, wait)?;
        // SQLite gives its other files the mode of this one.
        OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| failed("open", e))?;
        Ok(Self {
            _lock: lock,
            _folder: folder,
        })
    }
}

fn lock(path: &Path, wait: Duration) -> StoreResult<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let shown = Path::new(&name).display();
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&name)
        .map_err(|e| StoreError::Database(format!("cannot open {shown}: {e}")))?;
    let until = Instant::now() + wait;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked(format!(
                    "another process uses the database {}: stop it first, or give this one another DATA_DB (a SQLite \
                     database serves one process; `fuser {shown}` names it)",
                    path.display()
                )));
            }
            Err(TryLockError::Error(e)) => return Err(StoreError::Database(format!("cannot lock {shown}: {e}"))),
        }
    }
}

/// Whether a process has the database.
pub(super) fn is_locked(path: &Path) -> StoreResult<bool> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |e: io::Error| StoreError::Database(format!("cannot open {}: {e}", Path::new(&name).display()));
    let file = match File::open(&name) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(failed(e)),
    };
    // Shared, so that looking does not keep a service from starting for longer than it takes.
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}

/// A folder of its own, removed when dropped.
#[derive(Debug)]
pub(super) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    pub(super) fn new() -> StoreResult<Self> {
        let failed = |e: &dyn std::fmt::Display| StoreError::Database(format!("cannot make a temporary folder: {e}"));
        let mut bytes = [0; 8];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).map_err(|e| failed(&e))?;
        let path = std::env::temp_dir().join(format!("im-store-{}", hex::encode(bytes)));
        DirBuilder::new().mode(0o700).create(&path).map_err(|e| failed(&e))?;
        Ok(Self(path))
    }
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.0) {
            tracing::debug!("cannot remove {}: {e}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_data_db() {
        for (text, path) in [
            ("/etc/im/inf.dat", "/etc/im/inf.dat"),
            ("inf.dat", "inf.dat"),
            ("sqlite:///var/lib/im.db", "/var/lib/im.db"),
            ("file:///var/lib/im.db", "/var/lib/im.db"),
            ("sqlite://host/var/lib/im.db", "/var/lib/im.db"),
        ] {
            assert_eq!(parse_data_db(text).unwrap(), Path::new(path), "{text}");
        }
        for (text, words) in [
            ("mysql://u:secret@h/db", "not in this version"),
            ("mongodb://u:secret@h/db", "not in this version"),
            ("redis://h", "unknown kind"),
            ("", "no path"),
            ("sqlite://host", "no path"),
        ] {
            let error = parse_data_db(text).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
