//! Takes the secrets of a call out of what a cloud says about it: some clouds repeat what they were sent.
//!
//! Connectors look after the secrets that they know of themselves; this is the net below. Never looks at answers that
//! are no errors.

use crate::{CloudError, Cx, LaunchRequest, Wanted, net::http::encode};
use im_model::{AuthLine, Frozen};
use im_radl::{Feature, System};
use serde_json::Value;
use std::collections::BTreeSet;

/// Keys of credentials that are no secrets: users need them to understand an error.
const PLAIN: &[&str] = &[
    "type",
    "id",
    "host",
    "username",
    "tenant",
    "domain",
    "vo",
    "region",
    "project",
    "namespace",
    "auth_version",
    "api_version",
    "subscription_id",
    "client_id",
    "service_region",
    "service_name",
    "tenant_domain_id",
    "public_key",
    "ca_cert",
    "path",
    "mount_point",
    "role",
    "driver",
    "account",
];

/// Parts of names that make a value a secret.
const TELLING: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "private",
    "credential",
    "proxy_key",
];

/// A shorter value would tear texts apart and is found by trying in any case.
const SHORTEST: usize = 4;
/// A line of a longer secret (a key) is one by itself from this length on.
const SHORTEST_LINE: usize = 16;

/// The secrets of a call.
#[derive(Default)]
pub(super) struct Veil {
    secrets: BTreeSet<String>,
}

impl Veil {
    /// Those of the credentials.
    pub(super) fn of(auth: &AuthLine) -> Self {
        let mut veil = Self::default();
        for (_, value) in auth.iter().filter(|(key, _)| !PLAIN.contains(key)) {
            veil.add(value.expose());
        }
        veil
    }

    /// And those of requests that are about to be sent.
    pub(super) fn with_wanted(mut self, wanted: &[Wanted]) -> Self {
        for wanted in wanted {
            self = self.with_frozen(&wanted.frozen);
        }
        self
    }

    /// And those of a request that was stored.
    pub(super) fn with_frozen(mut self, frozen: &Frozen) -> Self {
        if let Ok(spec) = frozen.decode::<Value>() {
            self.add_json("", &spec);
        }
        self
    }

    /// And those of a launch.
    pub(super) fn with_launch(mut self, request: &LaunchRequest) -> Self {
        for vm in &request.vms {
            self.add_system(&vm.system);
        }
        self
    }

    /// And those of a machine's description.
    pub(super) fn with_systems(mut self, systems: &[&System]) -> Self {
        for system in systems {
            self.add_system(system);
        }
        self
    }

    fn add_system(&mut self, system: &System) {
        for (_, feature) in system.features.iter().filter(|(name, _)| is_telling(name)) {
            if let Feature::Text(_, text) = feature {
                self.add(text);
            }
        }
    }

    fn add_json(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) if is_telling(name) => self.add(text),
            Value::Array(values) => values.iter().for_each(|v| self.add_json(name, v)),
            Value::Object(members) => members.iter().for_each(|(name, v)| self.add_json(name, v)),
            _ => {}
        }
    }

    fn add(&mut self, secret: &str) {
        if secret.chars().count() < SHORTEST {
            return;
        }
        self.secrets.insert(secret.to_owned());
        for line in secret.lines().map(str::trim) {
            if line.len() >= SHORTEST_LINE && !line.starts_with("-----") && line != secret {
                self.secrets.insert(line.to_owned());
            }
        }
    }

    /// The text without the secrets, in the forms in which they travel.
    fn text(&self, text: &str) -> String {
        let mut words: Vec<String> = self.secrets.iter().flat_map(|secret| forms(secret)).collect();
        // A secret that holds another goes first.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let mut text = text.to_owned();
        for word in words {
            if text.contains(&word) {
                text = text.replace(&word, "***");
            }
        }
        text
    }

    /// The error without the secrets.
    pub(super) fn over(&self, error: CloudError) -> CloudError {
        if self.secrets.is_empty() {
            return error;
        }
        CloudError {
            message: self.text(&error.message),
            ..error
        }
    }
}

/// The secrets of a call under these credentials.
pub(super) fn veil(cx: &Cx) -> Veil {
    Veil::of(&cx.auth)
}

fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TELLING.iter().any(|part| name.contains(part))
}

/// A secret as it is, as JSON writes it, percent-encoded, and in Base64 of both alphabets.
fn forms(secret: &str) -> Vec<String> {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let json = Value::from(secret).to_string();
    vec![
        secret.to_owned(),
        json[1..json.len() - 1].to_owned(),
        encode(secret),
        base64(secret.as_bytes(), STANDARD),
        base64(secret.as_bytes(), URL),
    ]
}

/// Without padding, so that what follows it is of no weight.
fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 4);
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .enumerate()
            .fold(0_u32, |w, (i, b)| w | u32::from(*b) << (16 - 8 * i));
        for i in 0..=three.len() {
            out.push(char::from(alphabet[(word >> (18 - 6 * i)) as usize & 63]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn said(veil: &Veil, text: &str) -> String {
        veil.over(CloudError::not_applied(ErrorKind::Invalid, text)).message
    }

    #[test]
    fn secrets_are_taken_out_in_each_form() {
        let veil = Veil::of(&AuthLine::new([
            ("type", "OpenStack"),
            ("username", "bob-the-user"),
            ("password", "p\"ss w&rd"),
            ("token", "abc"),
        ]));
        for form in ["p\"ss w&rd", r#"p\"ss w&rd"#, "p%22ss%20w%26rd", "cCJzcyB3JnJk"] {
            let text = said(&veil, &format!("bob-the-user sent <{form}> abc"));
            assert_eq!(text, "bob-the-user sent <***> abc");
        }
        assert_eq!(said(&Veil::default(), "as it is"), "as it is");
    }

    #[test]
    fn base64_of_every_length() {
        const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (text, coded) in [
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("\u{ff}\u{fe}", "w7/Dvg"),
        ] {
            assert_eq!(base64(text.as_bytes(), STANDARD), coded);
        }
    }

    #[test]
    fn requests_and_keys_are_known_too() {
        let spec = serde_json::json!({
            "name": "not-a-secret", "env": {"RootPassword": "in-the-env"}, "tokens": ["one-token"], "count": 1
        });
        let wanted = Wanted {
            key: im_model::Key::from_stored("k"),
            kind: im_model::ResourceKind::Vm,
            name: "n".into(),
            vm: None,
            frozen: Frozen::of(&spec),
        };
        let pem = "-----BEGIN KEY-----\nMIIBVAIBADANBgkqhkiG9w0B\n-----END KEY-----\n";
        let veil = Veil::of(&AuthLine::new([("private_key", pem)])).with_wanted(&[wanted]);
        assert_eq!(
            said(&veil, "not-a-secret in-the-env one-token MIIBVAIBADANBgkqhkiG9w0B"),
            "not-a-secret *** *** ***"
        );
        let document =
            im_radl::parse("system s (disk.0.os.credentials.password = 'of-the-vm' and cpu.count = 1)").document;
        let veil = Veil::default().with_systems(&[document.system("s").unwrap()]);
        assert_eq!(said(&veil, "of-the-vm"), "***");
    }
}
