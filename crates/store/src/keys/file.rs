//! Key files on disk: made once, read only when nobody else may read them, replaced whole.
//!
//! Never here: the database.

use super::{
    id::{KeyId, KeyRole},
    text::{Line, RingKey, parse},
};
use crate::{StoreError, StoreResult};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write as _},
    os::unix::fs::{DirBuilderExt, MetadataExt as _, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use zeroize::Zeroizing;

const HEAD: &str = "# Keys of im's database. Keep a copy apart from the database: without it nothing in it can be read.\n\
                    # The last key that is not staged seals, every key opens; `im keys` changes this file.\n";

/// By which a change of a file is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64, u64, i64, i64, u64);

/// What a file looks like now.
pub(super) fn stamp(path: &Path) -> io::Result<Stamp> {
    let m = fs::metadata(path)?;
    Ok(Stamp(m.dev(), m.ino(), m.mtime(), m.mtime_nsec(), m.len()))
}

/// Reads a key file. Refuses one that others may read.
pub(super) fn read(path: &Path) -> StoreResult<(Zeroizing<String>, Stamp)> {
    let shown = path.display();
    let failed = |e: io::Error| StoreError::KeyFile(format!("cannot read key file {shown}: {e}"));
    let mut file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    let mode = meta.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(StoreError::KeyFile(format!(
            "key file {shown} may be read by others (mode {:o}): run `chmod 600 {shown}`; if somebody may have read it, \
             consider the credentials in the database known to them, and run `im keys rotate`",
            mode & 0o777
        )));
    }
    let seen = Stamp(meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len());
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(failed)?;
    Ok((text, seen))
}

/// Makes a key file with one new key: whole or not at all, since a key that is used and then lost would take the
/// database with it. One that somebody made meanwhile stays.
pub(super) fn create(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder_of(path))?;
    let key = RingKey::fresh().map_err(io::Error::other)?;
    let mut text = Zeroizing::new(HEAD.to_owned());
    text.push_str(&key.line(KeyRole::Reading));
    // Unlike a rename, a link never replaces a key that somebody else made meanwhile.
    put(path, &text, |new| {
        fs::hard_link(new, path)?;
        fs::remove_file(new)
    })
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

/// Writes a file beside `path`, flushes it, and lets `publish` give it its name.
fn put(path: &Path, text: &str, publish: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = Path::new(&name);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        publish(new)?;
        File::open(folder_of(path))?.sync_all()
    })();
    if written.is_err() {
        // It holds keys; where it has its name by now, this does nothing.
        let _ = fs::remove_file(new);
    }
    written
}

/// A key file to be changed. Holds a lock on its folder: one program at a time changes keys there.
pub struct KeyFile {
    path: PathBuf,
    lines: Vec<Line>,
    _lock: File,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile({})", self.path.display())
    }
}

impl KeyFile {
    /// Reads a key file that is there. Waits for another program that changes it.
    pub fn open(path: &Path) -> StoreResult<Self> {
        let failed = |e: io::Error| StoreError::KeyFile(format!("cannot change the key file {}: {e}", path.display()));
        // Where the path is a link, the file behind it is the one to replace.
        let path = fs::canonicalize(path).map_err(failed)?;
        let lock = File::open(folder_of(&path)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let (text, _) = read(&path)?;
        let lines = parse(&text, &path.display().to_string())?;
        Ok(Self {
            path,
            lines,
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long ago it was changed.
    pub fn age(&self) -> Duration {
        let changed = fs::metadata(&self.path).and_then(|m| m.modified());
        changed.map_or(Duration::ZERO, |at| {
            SystemTime::now().duration_since(at).unwrap_or_default()
        })
    }

    fn keys(&self) -> impl DoubleEndedIterator<Item = (&RingKey, bool)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Key(key, staged) => Some((key, *staged)),
            Line::Other(_) => None,
        })
    }

    /// The newest key that is staged.
    pub fn staged(&self) -> Option<KeyId> {
        self.keys().rev().find(|(_, staged)| *staged).map(|(key, _)| key.id)
    }

    /// Adds a new key that does not seal yet.
    pub fn stage_new(&mut self) -> StoreResult<KeyId> {
        let key = RingKey::fresh()?;
        let id = key.id;
        self.lines.push(Line::Key(key, true));
        self.save()?;
        Ok(id)
    }

    /// Makes a key the one that seals.
    pub fn promote(&mut self, id: KeyId) -> StoreResult<()> {
        let at = self.place_of(id)?;
        let line = match self.lines.remove(at) {
            Line::Key(key, _) => Line::Key(key, false),
            other @ Line::Other(_) => other,
        };
        self.lines.push(line);
        self.save()
    }

    /// Removes a key. What was sealed with it can never be opened again: whoever calls this has made sure that nothing
    /// is.
    pub fn remove(&mut self, id: KeyId) -> StoreResult<()> {
        let at = self.place_of(id)?;
        self.lines.remove(at);
        self.save()
    }

    fn place_of(&self, id: KeyId) -> StoreResult<usize> {
        let found = |line: &Line| matches!(line, Line::Key(key, _) if key.id == id);
        self.lines.iter().position(found).ok_or_else(|| StoreError::Missing {
            what: format!("key {id} of {}", self.path.display()),
        })
    }

    fn save(&self) -> StoreResult<()> {
        let mut text = Zeroizing::new(String::with_capacity(4096));
        for line in &self.lines {
            match line {
                Line::Other(line) => {
                    text.push_str(line);
                    text.push('\n');
                }
                Line::Key(key, true) => text.push_str(&key.line(KeyRole::Staged)),
                Line::Key(key, false) => text.push_str(&key.line(KeyRole::Reading)),
            }
        }
        put(&self.path, &text, |new| fs::rename(new, &self.path)).map_err(|e| {
            StoreError::KeyFile(format!(
                "cannot replace the key file {}: {e}; where something else manages it, `im keys new --print` makes a \
                 line to add there",
                self.path.display()
            ))
        })
    }
}

/// A line with a new key, for whatever manages keys elsewhere.
pub fn new_key_line() -> StoreResult<Zeroizing<String>> {
    Ok(RingKey::fresh()?.line(KeyRole::Staged))
}
