//! SSH to a machine of an infrastructure: connect, log in, run commands.
//!
//! Every connection comes from a [`Dial`], which is the guard. Host keys are not checked: nobody knows them beforehand, and the contract accepts
//! every one.

mod dial;
mod exec;

pub use dial::{Dial, Wire};
pub use exec::Output;
pub(crate) use exec::{Exec, Piece};

use crate::{CredentialInUse, Login, SshError, keys::read_private};
use futures::{StreamExt, stream::FuturesUnordered};
use im_model::Secret;
use russh::{
    client::{self, AuthResult, Handle},
    keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate},
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

/// How long connecting and agreeing on keys may take at one address.
const CONNECT: Duration = Duration::from_secs(15);
/// How long the answer to one credential may take.
const LOGIN: Duration = Duration::from_secs(20);
/// How long an address may be alone before the next one is tried beside it.
const HEAD_START: Duration = Duration::from_millis(300);
/// Attempts with every credential refused, after which waiting ends: the machine is up and does not want us.
const REFUSALS: u32 = 5;
/// Longest pause between attempts at a machine that does not answer.
const SLOWEST: Duration = Duration::from_secs(1);
/// Pause after a refusal. Accounts are made and keys put late in the boot; who asks too often may be shut out.
const REFUSED: Duration = Duration::from_secs(5);

/// Where and how to log in to a machine.
#[derive(Clone, Debug)]
pub struct Access {
    /// Addresses and ports, best first.
    pub addresses: Vec<(IpAddr, u16)>,
    /// User and credentials.
    pub login: Login,
    /// The infrastructure's private key, tried last.
    pub infrastructure_key: Option<Secret>,
}

/// A connection on which the log-in has succeeded.
pub struct Ssh {
    handle: Handle<AcceptAnyKey>,
    host: String,
    user: String,
    address: (IpAddr, u16),
    credential: CredentialInUse,
}

impl std::fmt::Debug for Ssh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ssh({}@{}, {:?})", self.user, self.host, self.credential)
    }
}

struct AcceptAnyKey;

impl client::Handler for AcceptAnyKey {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

fn config() -> Arc<client::Config> {
    Arc::new(client::Config {
        keepalive_interval: Some(Duration::from_secs(15)),
        keepalive_max: 3,
        nodelay: true,
        ..client::Config::default()
    })
}

impl Ssh {
    /// Connects once: every address, each credential.
    pub async fn connect(dial: &dyn Dial, access: &Access) -> Result<Self, SshError> {
        let (address, handle) = first_to_answer(dial, &access.addresses).await?;
        let host = SocketAddr::from(address).to_string();
        log_in(handle, host, address, access).await
    }

    /// Connects, again and again until the time is over: a machine that boots refuses connections at first. An address
    /// or a key that will never do ends the waiting, as does a machine that keeps refusing every credential. Never takes
    /// longer than `within`, and gives up no earlier: then the error is [`SshError::Waited`].
    pub async fn wait(dial: &dyn Dial, access: &Access, within: Duration) -> Result<Self, SshError> {
        let deadline = Instant::now() + within;
        let mut pause = Duration::from_millis(50);
        let mut refusals = 0;
        let mut last = None;
        while let Ok(answer) = timeout_at(deadline, Self::connect(dial, access)).await {
            let error = match answer {
                Ok(ssh) => return Ok(ssh),
                Err(error) => error,
            };
            if matches!(error, SshError::Refused { .. }) {
                refusals += 1;
                pause = REFUSED;
            }
            if !error.is_temporary() || refusals >= REFUSALS {
                return Err(error);
            }
            last = Some(error);
            let next = Instant::now() + pause;
            sleep_until(next.min(deadline)).await;
            if next >= deadline {
                break;
            }
            pause = (pause * 2).min(SLOWEST);
        }
        let host = access.addresses.first().map(|a| SocketAddr::from(*a).to_string());
        let unanswered = || SshError::TimedOut {
            host: host.unwrap_or_default(),
            after: within,
        };
        Err(SshError::Waited {
            after: within,
            last: Box::new(last.unwrap_or_else(unanswered)),
        })
    }

    /// The credential that was accepted.
    pub fn credential(&self) -> CredentialInUse {
        self.credential
    }

    /// The address that answered.
    pub fn address(&self) -> (IpAddr, u16) {
        self.address
    }

    /// The login user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    fn broken(&self, error: &russh::Error) -> SshError {
        broken(&self.host, error)
    }
}

fn broken(host: &str, error: &russh::Error) -> SshError {
    SshError::Broken {
        host: host.to_owned(),
        reason: error.to_string(),
    }
}

/// The first of the addresses that speaks SSH. An address that is slow gets company, not replaced: the order is a
/// preference, and it costs no time where the first one is dead.
async fn first_to_answer(
    dial: &dyn Dial,
    addresses: &[(IpAddr, u16)],
) -> Result<((IpAddr, u16), Handle<AcceptAnyKey>), SshError> {
    let mut waiting = addresses.iter().copied();
    let mut running = FuturesUnordered::new();
    let mut worst: Option<SshError> = None;
    running.extend(waiting.next().map(|a| greet(dial, a)));
    if running.is_empty() {
        return Err(SshError::NoAddress);
    }
    loop {
        tokio::select! {
            answer = running.next() => match answer {
                Some((address, Ok(handle))) => return Ok((address, handle)),
                Some((_, Err(error))) => {
                    // An error of a machine says more than one of the policy.
                    if worst.as_ref().is_none_or(|w| !w.is_temporary()) {
                        worst = Some(error);
                    }
                    running.extend(waiting.next().map(|a| greet(dial, a)));
                }
                None => return Err(worst.unwrap_or(SshError::NoAddress)),
            },
            () = sleep(HEAD_START), if waiting.len() > 0 => {
                running.extend(waiting.next().map(|a| greet(dial, a)));
            }
        }
    }
}

async fn greet(dial: &dyn Dial, address: (IpAddr, u16)) -> ((IpAddr, u16), Result<Handle<AcceptAnyKey>, SshError>) {
    let host = SocketAddr::from(address).to_string();
    let connected = timeout(CONNECT, async {
        let (ip, port) = address;
        let stream = dial.dial(ip, port).await?;
        client::connect_stream(config(), stream, AcceptAnyKey)
            .await
            .map_err(|e| broken(&host, &e))
    });
    let answer = connected.await.unwrap_or_else(|_| {
        Err(SshError::TimedOut {
            host: host.clone(),
            after: CONNECT,
        })
    });
    (address, answer)
}

/// Something to log in with.
enum Offer<'a> {
    Password(&'a Secret),
    Key(&'a Secret),
}

/// Everything there is to offer, in order: what is current, what is pending, the infrastructure's key.
fn offers(access: &Access) -> Vec<(CredentialInUse, Offer<'_>)> {
    use CredentialInUse as Is;
    let login = &access.login;
    [
        login.password.as_ref().map(|s| (Is::Password, Offer::Password(s))),
        login.private_key.as_ref().map(|s| (Is::PrivateKey, Offer::Key(s))),
        login
            .new_password
            .as_ref()
            .map(|s| (Is::NewPassword, Offer::Password(s))),
        login
            .new_private_key
            .as_ref()
            .map(|s| (Is::NewPrivateKey, Offer::Key(s))),
        access
            .infrastructure_key
            .as_ref()
            .map(|s| (Is::InfrastructureKey, Offer::Key(s))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn log_in(
    mut handle: Handle<AcceptAnyKey>,
    host: String,
    address: (IpAddr, u16),
    access: &Access,
) -> Result<Ssh, SshError> {
    let user = access.login.user.clone();
    let mut tried = Vec::new();
    for (kind, offer) in offers(access) {
        let attempt = async {
            match offer {
                Offer::Password(password) => handle
                    .authenticate_password(user.as_str(), password.expose())
                    .await
                    .map_err(|e| broken(&host, &e)),
                Offer::Key(key) => {
                    let key = Arc::new(read_private(&user, key)?);
                    let hash = if key.algorithm().is_rsa() {
                        handle
                            .best_supported_rsa_hash()
                            .await
                            .map_err(|e| broken(&host, &e))?
                            .flatten()
                    } else {
                        None
                    };
                    handle
                        .authenticate_publickey(user.as_str(), PrivateKeyWithHashAlg::new(key, hash))
                        .await
                        .map_err(|e| broken(&host, &e))
                }
            }
        };
        let answer = timeout(LOGIN, attempt).await.map_err(|_| SshError::TimedOut {
            host: host.clone(),
            after: LOGIN,
        })??;
        if matches!(answer, AuthResult::Success) {
            return Ok(Ssh {
                handle,
                host,
                user,
                address,
                credential: kind,
            });
        }
        tried.push(words(kind));
    }
    Err(SshError::Refused {
        host,
        user,
        tried: if tried.is_empty() {
            "no credential at all".to_owned()
        } else {
            tried.join(", ")
        },
    })
}

fn words(kind: CredentialInUse) -> &'static str {
    match kind {
        CredentialInUse::Password => "its password",
        CredentialInUse::PrivateKey => "its private key",
        CredentialInUse::NewPassword => "the new password",
        CredentialInUse::NewPrivateKey => "the new private key",
        CredentialInUse::InfrastructureKey => "the key of the infrastructure",
    }
}
