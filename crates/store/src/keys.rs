//! The key ring: opens and seals what is secret in the rows.
//!
//! A key file holds one line per key, `<id> <64 hexadecimal digits>`. The *last* key seals, every key opens, and the
//! *first* one gives what must stay the same for the life of a deployment (the key of the marks, the index of owners):
//! it is never removed. A sealed column is
//!
//! ```text
//! version (1) | key id (4) | salt (8) | nonce (12) | ciphertext | tag (16)
//! ```
//!
//! AES-256-GCM under a key derived (HKDF) from the ring's key and a salt that each process draws at start, so that the
//! number of random nonces under one key stays far from where they could repeat. The place of the column is its
//! associated data: a sealed value moved to another row does not open.
//!
//! Never here: the database. The key file is never inside it, nor in a backup of it.

use crate::{StoreError, StoreResult};
use im_model::Secret;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, hkdf, hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde::Serialize;
use std::{
    collections::HashMap,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write as _},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};
use zeroize::{Zeroize, Zeroizing};

const VERSION: u8 = 1;
const KEY_ID: usize = 4;
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

struct RingKey {
    id: [u8; KEY_ID],
    bytes: Zeroizing<[u8; 32]>,
}

impl RingKey {
    fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let mut ctx = digest::Context::new(&digest::SHA256);
        ctx.update(b"im key id v1\0");
        ctx.update(&*bytes);
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&ctx.finish().as_ref()[..KEY_ID]);
        Self { id, bytes }
    }
    fn line(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(*self.bytes));
        Zeroizing::new(format!("{} {}\n", hex::encode(self.id), *digits))
    }
    fn derive(&self, salt: &[u8]) -> StoreResult<LessSafeKey> {
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&*self.bytes);
        let okm = secret.expand(&[b"im rows v1"], &AES_256_GCM).map_err(|_| no_random())?;
        Ok(LessSafeKey::new(UnboundKey::from(okm)))
    }
    fn mac(&self, purpose: &str, text: &str) -> hmac::Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.bytes);
        let mut ctx = hmac::Context::with_key(&key);
        ctx.update(purpose.as_bytes());
        ctx.update(&[0]);
        ctx.update(text.as_bytes());
        ctx.sign()
    }
}

struct Inner {
    keys: Vec<RingKey>,
    /// Where the keys came from, for messages.
    origin: String,
    random: SystemRandom,
    session: (Derived, LessSafeKey),
    opened: RwLock<HashMap<Derived, Arc<LessSafeKey>>>,
}

/// The keys of a deployment. A copy shares them.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys from {})", self.0.keys.len(), self.0.origin)
    }
}

impl KeyRing {
    /// A ring with one new key, which lives in memory only: for tests.
    pub fn random() -> StoreResult<Self> {
        Self::new(vec![fresh(&SystemRandom::new())?], "memory".to_owned())
    }

    /// Reads the text of a key file. `origin` says in messages where it came from.
    pub fn parse(text: &str, origin: &str) -> StoreResult<Self> {
        let mut keys = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |why: &str| StoreError::KeyFile(format!("line {} of the keys in {origin}: {why}", n + 1));
            let (id, digits) = line
                .split_once(char::is_whitespace)
                .ok_or_else(|| bad("expected an id and 64 hexadecimal digits"))?;
            let mut bytes = Zeroizing::new([0; 32]);
            hex::decode_to_slice(digits.trim(), &mut *bytes).map_err(|_| bad("a key is 64 hexadecimal digits"))?;
            let key = RingKey::new(bytes);
            if hex::encode(key.id) != id.to_ascii_lowercase() {
                return Err(bad("the id is not that of the key: a digit was changed or lost"));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(StoreError::KeyFile(format!("no key in {origin}")));
        }
        Self::new(keys, origin.to_owned())
    }

    /// Reads a key file. Refuses one that others may read.
    pub fn load(path: &Path) -> StoreResult<Self> {
        let shown = path.display();
        let mut file =
            File::open(path).map_err(|e| StoreError::KeyFile(format!("cannot read key file {shown}: {e}")))?;
        let mode = file
            .metadata()
            .map_err(|e| StoreError::KeyFile(format!("key file {shown}: {e}")))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(StoreError::KeyFile(format!(
                "key file {shown} may be read by others (mode {:o}): run `chmod 600 {shown}`; if somebody may have read it, \
                 consider the credentials in the database known to them",
                mode & 0o777
            )));
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text)
            .map_err(|e| StoreError::KeyFile(format!("cannot read key file {shown}: {e}")))?;
        Self::parse(&text, &shown.to_string())
    }

    /// Reads a key file, or makes it (mode 0600, its folder too) where there is none.
    ///
    /// Use [`crate::SqliteStore::keys_for`] rather, which does not make a new key for a database that has one already.
    pub fn load_or_create(path: &Path) -> StoreResult<Self> {
        match fs::metadata(path) {
            Ok(_) => Self::load(path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                create(path)
                    .or_else(|e| {
                        if e.kind() == io::ErrorKind::AlreadyExists {
                            Ok(())
                        } else {
                            Err(e)
                        }
                    })
                    .map_err(|e| StoreError::KeyFile(format!("cannot make key file {}: {e}", path.display())))?;
                Self::load(path)
            }
            Err(e) => Err(StoreError::KeyFile(format!(
                "cannot read key file {}: {e}",
                path.display()
            ))),
        }
    }

    /// Where the keys came from, for messages.
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    fn new(keys: Vec<RingKey>, origin: String) -> StoreResult<Self> {
        let random = SystemRandom::new();
        let last = keys
            .last()
            .ok_or_else(|| StoreError::KeyFile(format!("no key in {origin}")))?;
        let mut name = [0; KEY_ID + SALT];
        name[..KEY_ID].copy_from_slice(&last.id);
        random.fill(&mut name[KEY_ID..]).map_err(|_| no_random())?;
        let session = (name, last.derive(&name[KEY_ID..])?);
        Ok(Self(Arc::new(Inner {
            keys,
            origin,
            random,
            session,
            opened: RwLock::default(),
        })))
    }

    /// Key of the marks of a deployment.
    pub(crate) fn mark_secret(&self, deployment: &str) -> Secret {
        Secret::new(hex::encode(self.0.keys[0].mac("im marks v1", deployment).as_ref()))
    }

    /// What stands for a user's name in the index of owners.
    pub(crate) fn name_tag(&self, name: &str) -> Vec<u8> {
        self.0.keys[0].mac("im owners v1", name).as_ref()[..16].to_vec()
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
        let (name, key) = &self.0.session;
        let mut nonce = [0; NONCE_LEN];
        self.0.random.fill(&mut nonce).map_err(|_| no_random())?;
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
        // A panic elsewhere cannot have left the map half changed.
        if let Some(key) = self.0.opened.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Some(Arc::clone(key));
        }
        let ring_key = self.0.keys.iter().find(|k| k.id == name[..KEY_ID])?;
        let key = Arc::new(ring_key.derive(&name[KEY_ID..]).ok()?);
        let mut opened = self.0.opened.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(opened.entry(name).or_insert(key)))
    }
}

fn no_random() -> StoreError {
    StoreError::KeyFile("the system gives no random numbers".to_owned())
}

fn fresh(random: &SystemRandom) -> StoreResult<RingKey> {
    let mut bytes = Zeroizing::new([0; 32]);
    random.fill(&mut *bytes).map_err(|_| no_random())?;
    Ok(RingKey::new(bytes))
}

/// Makes the file whole or not at all: a key that is used and then lost would take the database with it.
fn create(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let key = fresh(&SystemRandom::new()).map_err(io::Error::other)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = Path::new(&name);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
        file.write_all(
            b"# Keys of im's database. Keep a copy apart from the database: without it nothing in it can be read.\n\
              # The last key seals; the first one must stay first.\n",
        )?;
        file.write_all(key.line().as_bytes())?;
        file.sync_all()?;
        // Unlike a rename, a link never replaces a key that somebody else made meanwhile.
        fs::hard_link(new, path)?;
        File::open(folder)?.sync_all()
    })();
    let removed = fs::remove_file(new);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place {
        table: "t",
        key: "k",
        column: "c",
    };

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("im-keys-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_value_opens_only_at_its_place_and_unchanged() {
        let ring = KeyRing::random().unwrap();
        for text in ["", "x", &"long".repeat(5000)] {
            let sealed = ring.seal(PLACE, text.as_bytes()).unwrap();
            assert_eq!(ring.open_text(PLACE, sealed.clone()).unwrap(), text);
            for other in [
                Place { table: "u", ..PLACE },
                Place { key: "l", ..PLACE },
                Place { column: "d", ..PLACE },
                Place {
                    table: "t",
                    key: "",
                    column: "kc",
                },
            ] {
                assert!(ring.open(other, sealed.clone()).is_err());
            }
            for n in (0..60.min(sealed.len())).chain(sealed.len() - 17..sealed.len()) {
                let mut changed = sealed.clone();
                changed[n] ^= 1;
                assert!(ring.open(PLACE, changed).is_err(), "byte {n}");
                assert!(ring.open(PLACE, sealed[..n].to_vec()).is_err(), "cut at {n}");
            }
        }
    }

    #[test]
    fn equal_values_are_sealed_differently() {
        let ring = KeyRing::random().unwrap();
        assert_ne!(ring.seal(PLACE, b"x").unwrap(), ring.seal(PLACE, b"x").unwrap());
    }

    #[test]
    fn the_file_is_made_once_and_private() {
        let folder = folder("made");
        let path = folder.join("sub").join("key");
        let first = KeyRing::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        let sealed = first.seal(PLACE, b"x").unwrap();
        let again = KeyRing::load_or_create(&path).unwrap();
        assert_eq!(again.open_text(PLACE, sealed.clone()).unwrap(), "x");
        assert_eq!(first.mark_secret("d"), again.mark_secret("d"));
        assert_ne!(first.mark_secret("d"), first.mark_secret("e"));
        assert!(matches!(
            KeyRing::random().unwrap().open(PLACE, sealed),
            Err(StoreError::WrongKey(_))
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = KeyRing::load(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn keys_are_added_at_the_end() {
        let random = SystemRandom::new();
        let (a, b) = (fresh(&random).unwrap(), fresh(&random).unwrap());
        let old = KeyRing::parse(&a.line(), "old").unwrap();
        let new = KeyRing::parse(&format!("# rotated\n{}\n{}", *a.line(), *b.line()), "new").unwrap();
        let sealed = old.seal(PLACE, b"x").unwrap();
        assert_eq!(new.open_text(PLACE, sealed).unwrap(), "x");
        assert!(old.open(PLACE, new.seal(PLACE, b"x").unwrap()).is_err());
        assert_eq!(old.mark_secret("d"), new.mark_secret("d"));
    }

    #[test]
    fn damaged_files_are_refused_with_their_line() {
        let line = fresh(&SystemRandom::new()).unwrap().line();
        let changed = if line.as_bytes()[20] == b'0' { "1" } else { "0" };
        let mut flipped = line.to_string();
        flipped.replace_range(20..21, changed);
        for (text, expected) in [
            ("", "no key"),
            ("# nothing", "no key"),
            ("abc", "line 1"),
            ("abc zz", "hexadecimal"),
            (flipped.as_str(), "changed or lost"),
        ] {
            let error = KeyRing::parse(text, "here").unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
            assert!(!error.contains(&line[10..70]));
        }
    }
}
