//! Random values from a stored seed: the same seed and purpose draw the same ones, so that a replayed plan is the same.

use im_cloud::Draw;
use im_model::Secret;
use ring::{
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
};

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Draws a seed. The only place where the service asks for randomness that decides anything.
pub(crate) fn seed() -> Option<String> {
    let mut bytes = [0u8; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(hex::encode(bytes))
}

/// A stream of random values.
pub(crate) struct Seeded {
    key: hmac::Key,
    counter: u64,
    block: Vec<u8>,
}

impl Seeded {
    /// The stream of a seed for a purpose.
    pub(crate) fn new(seed: &str, purpose: &str) -> Self {
        let mut secret = digest::Context::new(&digest::SHA256);
        for part in [seed, purpose] {
            secret.update(&(part.len() as u64).to_be_bytes());
            secret.update(part.as_bytes());
        }
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.finish().as_ref()),
            counter: 0,
            block: Vec::new(),
        }
    }

    fn byte(&mut self) -> u8 {
        loop {
            if let Some(byte) = self.block.pop() {
                return byte;
            }
            self.block = hmac::sign(&self.key, &self.counter.to_be_bytes()).as_ref().to_vec();
            self.counter += 1;
        }
    }
}

impl Draw for Seeded {
    fn alphanumeric(&mut self, len: usize) -> String {
        let mut text = String::with_capacity(len);
        while text.len() < len {
            // Bytes beyond the last whole round of letters would favour the first ones.
            let byte = usize::from(self.byte());
            if byte < 4 * LETTERS.len() {
                text.push(char::from(LETTERS[byte % LETTERS.len()]));
            }
        }
        text
    }

    fn below(&mut self, bound: u32) -> u32 {
        if bound < 2 {
            return 0;
        }
        let whole = u32::MAX - u32::MAX % bound;
        loop {
            let value = u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]);
            if value < whole {
                return value % bound;
            }
        }
    }
}

/// The hash of a text, in lower-case hexadecimal digits.
pub(crate) fn hash(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// A keyed hash of a text, in lower-case hexadecimal digits: tells nothing to whoever has not got the key.
pub(crate) fn keyed_hash(key: &Secret, purpose: &str, text: &str) -> String {
    let mut ctx = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes()));
    ctx.update(purpose.as_bytes());
    ctx.update(&[0]);
    ctx.update(text.as_bytes());
    hex::encode(ctx.sign().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyed_hash_needs_its_key() {
        let of = |key: &str, text: &str| keyed_hash(&Secret::new(key), "p", text);
        assert_eq!(of("k", "t"), of("k", "t"));
        assert_ne!(of("k", "t"), of("l", "t"));
        assert_ne!(of("k", "t"), of("k", "u"));
        assert_ne!(of("k", "t"), hash("t"));
    }

    #[test]
    fn one_seed_draws_the_same() {
        let draw = |seed: &str, purpose: &str| Seeded::new(seed, purpose).alphanumeric(12);
        assert_eq!(draw("s", "a"), draw("s", "a"));
        assert_ne!(draw("s", "a"), draw("s", "b"));
        assert_ne!(draw("s", "a"), draw("t", "a"));
        assert_eq!(draw("s", "a").len(), 12);
        let mut numbers = Seeded::new("s", "n");
        assert!((0..100).all(|_| numbers.below(7) < 7));
        assert_ne!(seed(), seed());
    }
}
