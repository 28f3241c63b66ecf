//! Machines in memory that speak SSH and do what a test says. No socket: the clock of a test may be paused.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // Each test uses a part.

use async_trait::async_trait;
use im_cloud::net::NetError;
use im_ctxt::{Dial, Wire};
use russh::{
    Channel, ChannelId,
    keys::PrivateKey,
    server::{self, Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey},
};
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
};

/// How far a machine comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Until {
    /// Connections are never answered.
    Silence,
    /// Connections end at once: something else listens there.
    HangUp,
    /// It lets in, and no command ends.
    LogIn,
    /// Its Ansible is found; its files are never taken.
    Ansible,
    /// The run begins and says nothing.
    Run,
    /// The run ends well.
    End,
}

#[derive(Debug, Default)]
struct Seen {
    dials: u32,
    commands: Vec<String>,
}

/// Machines at every address.
#[derive(Debug)]
pub(crate) struct Machines {
    until: Until,
    key: PrivateKey,
    seen: Arc<Mutex<Seen>>,
}

impl Machines {
    pub(crate) fn new(until: Until) -> Arc<Self> {
        // The same key each time: nobody looks at it.
        let seed = russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]);
        Arc::new(Self {
            until,
            key: PrivateKey::from(seed),
            seen: Arc::default(),
        })
    }
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
    /// How often somebody connected.
    pub(crate) fn dials(&self) -> u32 {
        self.seen().dials
    }
    /// How many commands held this.
    pub(crate) fn ran(&self, what: &str) -> usize {
        self.seen().commands.iter().filter(|c| c.contains(what)).count()
    }
}

#[async_trait]
impl Dial for Machines {
    async fn dial(&self, _: IpAddr, _: u16) -> Result<Box<dyn Wire>, NetError> {
        self.seen().dials += 1;
        if self.until == Until::Silence {
            std::future::pending::<()>().await;
        }
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        if self.until > Until::HangUp {
            let config = Arc::new(Config {
                keys: vec![self.key.clone()],
                inactivity_timeout: None,
                ..Config::default()
            });
            let machine = Machine {
                until: self.until,
                seen: Arc::clone(&self.seen),
                running: BTreeMap::new(),
            };
            tokio::spawn(async move {
                if let Ok(session) = server::run_stream(config, theirs, machine).await {
                    let _ = session.await;
                }
            });
        }
        Ok(Box::new(ours))
    }
}

struct Machine {
    until: Until,
    seen: Arc<Mutex<Seen>>,
    /// Commands, and what came on their standard input.
    running: BTreeMap<ChannelId, (String, Vec<u8>)>,
}

impl Machine {
    /// What a command prints; none: it never ends.
    fn answer(&self, command: &str, input: &str) -> Option<String> {
        let run = |until| self.until >= until;
        if command.contains("sh -s") && input.contains("IM_VENV=") {
            return run(Until::Ansible).then(|| "::im::ansible /usr/bin/ansible-playbook|python3|2.16.3\n".to_owned());
        }
        if command.contains("sh -s") {
            return Some("::im::credentials password\n".to_owned());
        }
        if command.contains("runner.py") && command.contains(" start ") {
            return Some("{\"started\":true}\n".to_owned());
        }
        if command.contains("runner.py") && command.contains(" follow ") {
            let end = "{\"seq\":1,\"type\":\"vm_done\",\"vm\":0,\"ok\":true}\n{\"seq\":2,\"type\":\"finished\",\"ok\":true}\n";
            return run(Until::End).then(|| end.to_owned());
        }
        if command.contains(" kill ") {
            return Some(String::new());
        }
        if command.contains("ROUTES") {
            // What the recipes lack.
            return run(Until::Ansible).then(|| "[]\n".to_owned());
        }
        // Its files.
        run(Until::Run).then(String::new)
    }
}

impl Handler for Machine {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(data).into_owned();
        self.seen.lock().unwrap().commands.push(command.clone());
        self.running.insert(id, (command, Vec::new()));
        session.channel_success(id)
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Self::Error> {
        if let Some((_, input)) = self.running.get_mut(&id) {
            input.extend_from_slice(data);
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        let Some((command, input)) = self.running.remove(&id) else {
            return Ok(());
        };
        if let Some(text) = self.answer(&command, &String::from_utf8_lossy(&input)) {
            session.data(id, text.into_bytes())?;
            session.exit_status_request(id, 0)?;
            session.eof(id)?;
            session.close(id)?;
        }
        Ok(())
    }
}
