//! The text of a key file: `<id> <64 hexadecimal digits>` a line, with the word `staged` after it for a key that does not
//! seal yet. The last key that is not staged seals. `#` begins a comment.

use super::{
    id::{KeyId, KeyRole},
    no_random,
};
use crate::{StoreError, StoreResult};
use ring::{
    digest, hkdf,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

/// The word after a key that does not seal yet.
const STAGED: &str = "staged";

/// A key.
#[derive(Clone)]
pub(super) struct RingKey {
    pub(super) id: KeyId,
    pub(super) bytes: Zeroizing<[u8; 32]>,
}

impl RingKey {
    pub(super) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let mut ctx = digest::Context::new(&digest::SHA256);
        ctx.update(b"im key id v1\0");
        ctx.update(&*bytes);
        let mut id = [0; KeyId::LENGTH];
        id.copy_from_slice(&ctx.finish().as_ref()[..KeyId::LENGTH]);
        Self { id: KeyId(id), bytes }
    }

    pub(super) fn fresh() -> StoreResult<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *bytes).map_err(|_| no_random())?;
        Ok(Self::new(bytes))
    }

    /// As it stands in a file, with its line feed.
    pub(super) fn line(&self, role: KeyRole) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(*self.bytes));
        let word = if role == KeyRole::Staged { " staged" } else { "" };
        Zeroizing::new(format!("{} {}{word}\n", self.id, *digits))
    }

    pub(super) fn derive(&self, salt: &[u8]) -> StoreResult<ring::aead::LessSafeKey> {
        let algorithm = &ring::aead::AES_256_GCM;
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&*self.bytes);
        let okm = secret.expand(&[b"im rows v1"], algorithm).map_err(|_| no_random())?;
        Ok(ring::aead::LessSafeKey::new(ring::aead::UnboundKey::from(okm)))
    }
}

/// A line of a key file.
pub(super) enum Line {
    /// A comment or an empty line, without its line feed.
    Other(String),
    /// A key, and whether it is staged.
    Key(RingKey, bool),
}

/// Reads the text of a key file. `origin` says in messages where it came from; no message repeats a key.
pub(super) fn parse(text: &str, origin: &str) -> StoreResult<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let bad = |why: &str| StoreError::KeyFile(format!("line {} of the keys in {origin}: {why}", n + 1));
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            lines.push(Line::Other(line.to_owned()));
            continue;
        }
        let mut words = trimmed.split_ascii_whitespace();
        let (Some(id), Some(digits)) = (words.next(), words.next()) else {
            return Err(bad("expected an id and 64 hexadecimal digits"));
        };
        let staged = match (words.next(), words.next()) {
            (None, _) => false,
            (Some(STAGED), None) => true,
            _ => return Err(bad("after the key there may be the word `staged` and nothing else")),
        };
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, &mut *bytes).map_err(|_| bad("a key is 64 hexadecimal digits"))?;
        let key = RingKey::new(bytes);
        if id.parse() != Ok(key.id) {
            return Err(bad("the id is not that of the key: a digit was changed or lost"));
        }
        if lines
            .iter()
            .any(|l| matches!(l, Line::Key(other, _) if other.id == key.id))
        {
            return Err(bad("the key is there twice"));
        }
        lines.push(Line::Key(key, staged));
    }
    Ok(lines)
}

/// The keys of a text, in order, with the one that seals marked.
pub(super) fn keys(lines: Vec<Line>, origin: &str) -> StoreResult<Vec<(RingKey, KeyRole)>> {
    let mut keys: Vec<_> = lines
        .into_iter()
        .filter_map(|line| match line {
            Line::Key(key, true) => Some((key, KeyRole::Staged)),
            Line::Key(key, false) => Some((key, KeyRole::Reading)),
            Line::Other(_) => None,
        })
        .collect();
    if keys.is_empty() {
        return Err(StoreError::KeyFile(format!("no key in {origin}")));
    }
    match keys.iter_mut().rfind(|(_, role)| *role == KeyRole::Reading) {
        Some((_, role)) => *role = KeyRole::Writing,
        None => {
            return Err(StoreError::KeyFile(format!(
                "every key in {origin} is staged: take the word `staged` from the one that is to seal"
            )));
        }
    }
    Ok(keys)
}
