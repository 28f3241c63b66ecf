//! Keys and passwords that the service draws.

use crate::{CtxtError, SshError};
use im_model::Secret;
use rand::{Rng, RngCore, distr::Alphanumeric};
use russh::keys::{
    PrivateKey,
    ssh_key::{LineEnding, private::Ed25519Keypair},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A key pair for SSH, without a passphrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    /// The private half, in OpenSSH form.
    #[serde(with = "Secret")]
    pub private: Secret,
    /// The public half: one line, in OpenSSH form.
    pub public: String,
}

/// Draws the infrastructure's key pair (Ed25519). The same random numbers give the same pair.
pub fn generate_key(rng: &mut impl RngCore) -> Result<KeyPair, CtxtError> {
    let mut seed = Zeroizing::new([0u8; 32]);
    rng.fill_bytes(&mut seed[..]);
    let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    key.set_comment("im");
    let unusable = |e: russh::keys::ssh_key::Error| CtxtError::Unusable(format!("no key pair could be made: {e}"));
    Ok(KeyPair {
        private: Secret::new(key.to_openssh(LineEnding::LF).map_err(unusable)?.as_str()),
        public: key.public_key().to_openssh().map_err(unusable)?,
    })
}

/// Draws a password for a VM: eight letters and digits.
pub fn generate_password(rng: &mut impl RngCore) -> Secret {
    let letters: Zeroizing<Vec<char>> = Zeroizing::new(rng.sample_iter(Alphanumeric).take(8).map(char::from).collect());
    Secret::new(letters.iter().collect::<String>())
}

/// Reads a private key as users paste it: carriage returns and a missing last line end do no harm.
pub(crate) fn read_private(user: &str, key: &Secret) -> Result<PrivateKey, SshError> {
    russh::keys::decode_secret_key(&tidy(key), None).map_err(|e| SshError::BadKey {
        user: user.to_owned(),
        reason: e.to_string(),
    })
}

/// The text of a private key as OpenSSH wants it in a file.
pub(crate) fn tidy(key: &Secret) -> Zeroizing<String> {
    let mut text = Zeroizing::new(key.expose().replace('\r', "").trim().to_owned());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn a_key_is_drawn_from_the_numbers_given() {
        let pair = generate_key(&mut StdRng::seed_from_u64(7)).unwrap();
        assert_eq!(pair, generate_key(&mut StdRng::seed_from_u64(7)).unwrap());
        assert!(pair.public.starts_with("ssh-ed25519 "), "{}", pair.public);
        let pasted = Secret::new(pair.private.expose().trim().replace('\n', "\r\n"));
        let read = read_private("root", &pasted).unwrap();
        assert_eq!(
            read.public_key().key_data(),
            russh::keys::PublicKey::from_openssh(&pair.public).unwrap().key_data()
        );
        assert!(!format!("{pair:?}").contains("PRIVATE"));
    }

    #[test]
    fn passwords_are_eight_letters_and_digits() {
        let password = generate_password(&mut StdRng::seed_from_u64(7));
        assert_eq!(password.expose().len(), 8);
        assert!(password.expose().chars().all(|c| c.is_ascii_alphanumeric()));
    }
}
