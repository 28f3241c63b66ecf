//! Keys of intents and the marks that prove that a resource is ours.

use crate::{InfraId, OperationId, Secret, StepId};
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The deployment of the service: all instances that share a database share it. Marks are made with its secret, since
/// tenants can write tags too.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// A short random name, fixed when the database is made.
    pub name: String,
    /// Key of the marks, from the key ring.
    pub secret: Secret,
}

/// What a key is the hash of. The same when an operation is *resumed*; a *retry* is the next attempt.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'a> {
    /// Name of the deployment.
    pub deployment: &'a str,
    /// The infrastructure.
    pub infra: &'a InfraId,
    /// The operation.
    pub operation: &'a OperationId,
    /// The step.
    pub step: StepId,
    /// Which of several alike the step creates.
    pub index: u32,
    /// Which try, from 0.
    pub attempt: u32,
}

/// Identity of an intent: 32 lower-case hexadecimal digits, fit for names at every cloud.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The key of these parts.
    pub fn of(parts: KeyParts<'_>) -> Self {
        let mut ctx = digest::Context::new(&digest::SHA256);
        for part in [parts.deployment, parts.infra.as_str(), parts.operation.as_str()] {
            ctx.update(&(part.len() as u64).to_be_bytes());
            ctx.update(part.as_bytes());
        }
        for n in [parts.step.0, parts.index, parts.attempt] {
            ctx.update(&n.to_be_bytes());
        }
        Self(hex::encode(&ctx.finish().as_ref()[..16]))
    }
    /// A key read back from a row or a mark.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The mark put on a cloud resource: `<deployment>.<infrastructure>.<key>.<mac>`. Only the service can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Name of the deployment.
    pub deployment: String,
    /// The infrastructure.
    pub infra: InfraId,
    /// The intent.
    pub key: Key,
}

impl Mark {
    fn signed(&self) -> String {
        format!("{}.{}.{}", self.deployment, self.infra, self.key)
    }
    /// The text to put on the resource.
    pub fn seal(&self, deployment: &Deployment) -> String {
        let text = self.signed();
        let key = hmac::Key::new(hmac::HMAC_SHA256, deployment.secret.expose().as_bytes());
        let mac = hex::encode(&hmac::sign(&key, text.as_bytes()).as_ref()[..16]);
        format!("{text}.{mac}")
    }
    /// Reads a mark back; `None` when it is not one of ours, whoever wrote it.
    pub fn open(text: &str, deployment: &Deployment) -> Option<Self> {
        let (signed, mac) = text.rsplit_once('.')?;
        let mut parts = signed.splitn(3, '.');
        let mark = Self {
            deployment: parts.next()?.to_owned(),
            infra: InfraId::from(parts.next()?),
            key: Key::from_stored(parts.next()?),
        };
        let own = mark.deployment == deployment.name && mark.seal(deployment) == format!("{signed}.{mac}");
        own.then_some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_has_another_key_and_a_resume_the_same() {
        let (infra, operation) = (InfraId::from("i"), OperationId::from("o"));
        let parts = KeyParts {
            deployment: "d",
            infra: &infra,
            operation: &operation,
            step: StepId(1),
            index: 2,
            attempt: 0,
        };
        assert_eq!(Key::of(parts), Key::of(parts));
        assert_ne!(Key::of(parts), Key::of(KeyParts { attempt: 1, ..parts }));
        assert_eq!(Key::of(parts).as_str().len(), 32);
    }

    #[test]
    fn marks_cannot_be_forged() {
        let ours = Deployment {
            name: "d".into(),
            secret: "k".into(),
        };
        let theirs = Deployment {
            name: "d".into(),
            secret: "x".into(),
        };
        let mark = Mark {
            deployment: "d".into(),
            infra: "i-1".into(),
            key: Key::from_stored("00ff"),
        };
        let text = mark.seal(&ours);
        assert_eq!(Mark::open(&text, &ours), Some(mark.clone()));
        assert_eq!(Mark::open(&mark.seal(&theirs), &ours), None);
        assert_eq!(Mark::open(&text.replace("i-1", "i-2"), &ours), None);
        assert_eq!(Mark::open("nonsense", &ours), None);
    }
}
