//! The key ring: opens and seals what is secret in the rows.
//!
//! Keys come from a file or from a text ([`text`]). One of them seals, every key opens. A sealed column is
//!
//! ```text
//! version (1) | key id (4) | salt (8) | nonce (12) | ciphertext | tag (16)
//! ```
//!
//! AES-256-GCM under a key derived (HKDF) from the ring's key and a salt that each process draws at start, so that the
//! number of random nonces under one key stays far from where they could repeat. The place of the column is its
//! associated data: a sealed value moved to another row does not open.
//!
//! A file that changes is read again: within a second when something is sealed, at once when a value was sealed with a
//! key that is not known. So a key can be rotated under a running service.
//!
//! What must stay the same for the life of a deployment (the key of the marks, the index of owners) hangs on the
//! *identity*, which lives in the database, sealed; a ring has it once a database is open ([`KeyRing::bound`]).
//!
//! Never here: the database. The key file is never inside it, nor in a backup of it.

mod file;
mod id;
mod text;

pub use file::{KeyFile, new_key_line};
pub use id::{KeyId, KeyRole};

use crate::{StoreError, StoreResult};
use file::Stamp;
use im_model::Secret;
use ring::{
    aead::{Aad, LessSafeKey, NONCE_LEN, Nonce},
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde::Serialize;
use std::{
    collections::HashMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use text::RingKey;
use zeroize::{Zeroize, Zeroizing};

const VERSION: u8 = 1;
const KEY_ID: usize = KeyId::LENGTH;
const SALT: usize = 8;
const HEADER: usize = 1 + KEY_ID + SALT + NONCE_LEN;
const TAG: usize = 16;

/// What names a derived key: id of the ring's key and salt.
type Derived = [u8; KEY_ID + SALT];

/// Where a sealed value lives; its associated data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    pub(crate) key: &'a str,
    pub(crate) column: &'static str,
}

impl Place<'_> {
    fn associated(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.table.len() + self.key.len() + self.column.len() + 2);
        for (n, part) in [self.table, self.key, self.column].into_iter().enumerate() {
            if n > 0 {
                bytes.push(0);
            }
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
    pub(crate) fn unreadable(&self, why: impl fmt::Display) -> StoreError {
        StoreError::Unreadable {
            what: format!("{} of {} {}", self.column, self.table, self.key),
            why: why.to_string(),
        }
    }
}

/// Where keys came from.
enum Source {
    /// They live in memory or in a text: they never change.
    Fixed,
    /// A file, looked at again.
    File {
        path: PathBuf,
        /// When it was looked at last, in milliseconds of the ring's life.
        looked: AtomicU64,
    },
}

/// How long a change of the file may go unnoticed, in milliseconds.
const LOOK_AGAIN: u64 = 1000;

/// The keys as they are now.
struct Content {
    keys: Vec<(RingKey, KeyRole)>,
    writing: KeyId,
    session: (Derived, LessSafeKey),
    stamp: Option<Stamp>,
}

struct Inner {
    source: Source,
    /// Where the keys came from, for messages.
    origin: String,
    random: SystemRandom,
    since: Instant,
    now: RwLock<Arc<Content>>,
    opened: RwLock<HashMap<Derived, Arc<LessSafeKey>>>,
}

/// What a deployment keeps for life, whatever key seals.
pub(crate) type Identity = Zeroizing<[u8; 32]>;

/// The keys of a deployment. A copy shares them.
#[derive(Clone)]
pub struct KeyRing {
    inner: Arc<Inner>,
    identity: Option<Arc<Identity>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys from {})", self.keys().keys.len(), self.inner.origin)
    }
}

impl Content {
    fn new(keys: Vec<(RingKey, KeyRole)>, origin: &str, stamp: Option<Stamp>) -> StoreResult<Self> {
        let writing = keys
            .iter()
            .find(|(_, role)| *role == KeyRole::Writing)
            .map(|(key, _)| key)
            .ok_or_else(|| StoreError::KeyFile(format!("no key in {origin}")))?;
        let mut name = [0; KEY_ID + SALT];
        name[..KEY_ID].copy_from_slice(&writing.id.0);
        SystemRandom::new().fill(&mut name[KEY_ID..]).map_err(|_| no_random())?;
        let session = (name, writing.derive(&name[KEY_ID..])?);
        Ok(Self {
            writing: writing.id,
            session,
            stamp,
            keys,
        })
    }
}

impl KeyRing {
    /// A ring with one new key, which lives in memory only: for tests.
    pub fn random() -> StoreResult<Self> {
        let keys = vec![(RingKey::fresh()?, KeyRole::Writing)];
        Ok(Self::new(
            Source::Fixed,
            Content::new(keys, "memory", None)?,
            "memory".to_owned(),
        ))
    }

    /// Reads the text of a key file. `origin` says in messages where it came from.
    pub fn parse(text: &str, origin: &str) -> StoreResult<Self> {
        let keys = text::keys(text::parse(text, origin)?, origin)?;
        Ok(Self::new(
            Source::Fixed,
            Content::new(keys, origin, None)?,
            origin.to_owned(),
        ))
    }

    /// Reads a key file. Refuses one that others may read.
    pub fn load(path: &Path) -> StoreResult<Self> {
        let origin = path.display().to_string();
        let source = Source::File {
            path: path.to_owned(),
            looked: AtomicU64::new(0),
        };
        Ok(Self::new(source, read(path, &origin)?, origin))
    }

    /// Reads a key file, or makes it (mode 0600, its folder too) where there is none.
    ///
    /// Use [`crate::SqliteStore::keys_for`] rather, which does not make a new key for a database that has one already.
    pub fn load_or_create(path: &Path) -> StoreResult<Self> {
        match fs::metadata(path) {
            Ok(_) => Self::load(path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => match file::create(path) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(StoreError::KeyFile(format!(
                    "cannot make key file {}: {e}",
                    path.display()
                ))),
                _ => Self::load(path),
            },
            Err(e) => Err(StoreError::KeyFile(format!(
                "cannot read key file {}: {e}",
                path.display()
            ))),
        }
    }

    /// Where the keys came from, for messages.
    pub fn origin(&self) -> &str {
        &self.inner.origin
    }

    /// The file, where they came from one.
    pub fn file(&self) -> Option<&Path> {
        match &self.inner.source {
            Source::Fixed => None,
            Source::File { path, .. } => Some(path),
        }
    }

    /// The keys, in their order.
    pub fn list(&self) -> Vec<(KeyId, KeyRole)> {
        self.keys().keys.iter().map(|(key, role)| (key.id, *role)).collect()
    }

    /// The key that seals.
    pub fn writing(&self) -> KeyId {
        self.keys().writing
    }

    fn new(source: Source, keys: Content, origin: String) -> Self {
        Self {
            inner: Arc::new(Inner {
                source,
                origin,
                random: SystemRandom::new(),
                since: Instant::now(),
                now: RwLock::new(Arc::new(keys)),
                opened: RwLock::default(),
            }),
            identity: None,
        }
    }

    /// The keys as they were last read.
    fn keys(&self) -> Arc<Content> {
        // A panic elsewhere cannot have left the pointer half changed.
        Arc::clone(&self.inner.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the file if that was not done lately.
    fn look(&self) {
        if let Source::File { looked, .. } = &self.inner.source {
            let now = u64::try_from(self.inner.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let last = looked.load(Ordering::Relaxed);
            if now.saturating_sub(last) >= LOOK_AGAIN
                && looked
                    .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                self.refresh();
            }
        }
    }

    /// Reads the file again if it changed. Where that fails, the keys stay as they are: a service that runs must not
    /// stop sealing because somebody edits a file.
    pub fn refresh(&self) {
        let Source::File { path, .. } = &self.inner.source else {
            return;
        };
        let old = self.keys();
        if file::stamp(path).ok() == old.stamp {
            return;
        }
        match read(path, &self.inner.origin) {
            Ok(keys) => {
                if keys.writing != old.writing {
                    tracing::info!("the key that seals is {} from now on", keys.writing);
                }
                *self.inner.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
            }
            Err(e) => tracing::warn!("the keys changed and cannot be read; those of before are used on: {e}"),
        }
    }

    /// The same ring for a database with this identity.
    pub(crate) fn bound(&self, identity: Identity) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            identity: Some(Arc::new(identity)),
        }
    }

    /// What served as identity before databases had one of their own.
    pub(crate) fn first_identity(&self) -> Identity {
        self.keys().keys[0].0.bytes.clone()
    }

    fn mac(&self, purpose: &str, text: &[u8]) -> StoreResult<hmac::Tag> {
        let identity = self
            .identity
            .as_ref()
            .ok_or_else(|| StoreError::KeyFile("the keys are used before the database is open".to_owned()))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &***identity);
        let mut ctx = hmac::Context::with_key(&key);
        ctx.update(purpose.as_bytes());
        ctx.update(&[0]);
        ctx.update(text);
        Ok(ctx.sign())
    }

    /// Key of the marks of a deployment.
    pub(crate) fn mark_secret(&self, deployment: &str) -> StoreResult<Secret> {
        let mac = self.mac("im marks v1", deployment.as_bytes())?;
        Ok(Secret::new(hex::encode(mac.as_ref())))
    }

    /// What stands for a user's name in the index of owners.
    pub(crate) fn name_tag(&self, name: &str) -> StoreResult<Vec<u8>> {
        Ok(self.mac("im owners v1", name.as_bytes())?.as_ref()[..16].to_vec())
    }

    /// What stands for all owners of an infrastructure, with their secrets: where it is equal, so are they.
    pub(crate) fn owners_tag(&self, owners: &[u8]) -> StoreResult<Vec<u8>> {
        Ok(self.mac("im all owners v1", owners)?.as_ref().to_vec())
    }

    /// Seals a value as JSON.
    pub(crate) fn seal_json<T: Serialize + ?Sized>(&self, place: Place<'_>, value: &T) -> StoreResult<Vec<u8>> {
        let mut out = Vec::with_capacity(512);
        out.resize(HEADER, 0);
        serde_json::to_writer(&mut out, value).map_err(|e| place.unreadable(e))?;
        self.seal_after_header(place, out)
    }

    /// Seals bytes.
    pub(crate) fn seal(&self, place: Place<'_>, bytes: &[u8]) -> StoreResult<Vec<u8>> {
        let mut out = Vec::with_capacity(HEADER + bytes.len() + TAG);
        out.resize(HEADER, 0);
        out.extend_from_slice(bytes);
        self.seal_after_header(place, out)
    }

    fn seal_after_header(&self, place: Place<'_>, mut out: Vec<u8>) -> StoreResult<Vec<u8>> {
        self.look();
        let keys = self.keys();
        let (name, key) = &keys.session;
        let mut nonce = [0; NONCE_LEN];
        self.inner.random.fill(&mut nonce).map_err(|_| no_random())?;
        out[0] = VERSION;
        out[1..=KEY_ID + SALT].copy_from_slice(name);
        out[1 + KEY_ID + SALT..HEADER].copy_from_slice(&nonce);
        let sealed = key.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place.associated()),
            &mut out[HEADER..],
        );
        let Ok(tag) = sealed else {
            out.zeroize();
            return Err(place.unreadable("too long to be sealed"));
        };
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }

    /// Opens what was sealed for this place.
    pub(crate) fn open(&self, place: Place<'_>, mut sealed: Vec<u8>) -> StoreResult<Zeroizing<Vec<u8>>> {
        if sealed.len() < HEADER + TAG || sealed[0] != VERSION {
            return Err(place.unreadable("not sealed in a form that this version knows"));
        }
        let mut name: Derived = [0; KEY_ID + SALT];
        name.copy_from_slice(&sealed[1..=KEY_ID + SALT]);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&sealed[1 + KEY_ID + SALT..HEADER]);
        let key = self.derived(name).ok_or_else(|| {
            let (id, origin) = (hex::encode(&name[..KEY_ID]), self.origin());
            StoreError::WrongKey(format!(
                "{} was sealed with key {id}, which {origin} does not have",
                place.table
            ))
        })?;
        let length = key
            .open_within(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.associated()),
                &mut sealed,
                HEADER..,
            )
            .map_err(|_| place.unreadable("it was changed, or belongs to another row"))?
            .len();
        sealed.truncate(length);
        Ok(Zeroizing::new(sealed))
    }

    /// Opens JSON.
    pub(crate) fn open_json<T: serde::de::DeserializeOwned>(
        &self,
        place: Place<'_>,
        sealed: Vec<u8>,
    ) -> StoreResult<T> {
        serde_json::from_slice(&self.open(place, sealed)?).map_err(|e| place.unreadable(e))
    }

    /// Opens text.
    pub(crate) fn open_text(&self, place: Place<'_>, sealed: Vec<u8>) -> StoreResult<String> {
        let bytes = self.open(place, sealed)?;
        std::str::from_utf8(&bytes)
            .map(str::to_owned)
            .map_err(|e| place.unreadable(e))
    }

    fn derived(&self, name: Derived) -> Option<Arc<LessSafeKey>> {
        let inner = &*self.inner;
        // A panic elsewhere cannot have left the map half changed.
        if let Some(key) = inner.opened.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Some(Arc::clone(key));
        }
        let ring_key = self.known(&name[..KEY_ID]).or_else(|| {
            self.refresh();
            self.known(&name[..KEY_ID])
        })?;
        let key = Arc::new(ring_key.derive(&name[KEY_ID..]).ok()?);
        let mut opened = inner.opened.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(opened.entry(name).or_insert(key)))
    }

    fn known(&self, id: &[u8]) -> Option<RingKey> {
        let keys = self.keys();
        keys.keys.iter().map(|(key, _)| key).find(|key| key.id.0 == id).cloned()
    }
}

/// The key by which a value was sealed, as its first bytes say.
pub(crate) fn sealed_by(sealed: &[u8]) -> Option<KeyId> {
    let id = sealed.get(1..=KEY_ID)?;
    (sealed[0] == VERSION).then(|| {
        let mut bytes = [0; KEY_ID];
        bytes.copy_from_slice(id);
        KeyId(bytes)
    })
}

fn read(path: &Path, origin: &str) -> StoreResult<Content> {
    let (text, stamp) = file::read(path)?;
    Content::new(text::keys(text::parse(&text, origin)?, origin)?, origin, Some(stamp))
}

fn no_random() -> StoreError {
    StoreError::KeyFile("the system gives no random numbers".to_owned())
}

#[cfg(test)]
mod tests;
