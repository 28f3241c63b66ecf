//! Names of keys.

use std::{fmt, str::FromStr};

/// The name of a key: the first bytes of a hash of it. Written as eight hexadecimal digits; not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; Self::LENGTH]);

impl KeyId {
    /// In bytes.
    pub(crate) const LENGTH: usize = 4;
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; Self::LENGTH];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| "the id of a key is eight hexadecimal digits")?;
        Ok(Self(bytes))
    }
}

/// What a key of a ring is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// It opens, and seals what is written. One key of a ring.
    Writing,
    /// It opens what was sealed with it.
    Reading,
    /// It opens, and is meant to seal once every instance has it.
    Staged,
}

impl KeyRole {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Reading => "reading",
            Self::Staged => "staged",
        }
    }
}
