//! Commands over a connection.

use super::Ssh;
use crate::SshError;
use russh::{ChannelMsg, ChannelReadHalf};
use std::time::Duration;
use tokio::time::timeout;

/// How long a channel may take to open, and a command to be accepted.
const OPEN: Duration = Duration::from_secs(20);
/// The most that is kept of what a command prints.
const KEPT: usize = 1 << 20;

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; 255 when it ended by a signal or without one.
    pub code: u32,
    /// Standard output, the first MiB.
    pub stdout: String,
    /// Standard error, the first MiB.
    pub stderr: String,
}

/// A running command.
pub(crate) struct Exec {
    channel: ChannelReadHalf,
    host: String,
    code: Option<u32>,
}

/// A piece of what a running command says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// On standard output.
    Out(Vec<u8>),
    /// On standard error.
    Err(Vec<u8>),
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exec({}, {:?})", self.host, self.code)
    }
}

impl Ssh {
    /// Starts a command; its standard input is all of `input`.
    pub(crate) async fn start(&self, command: &str, input: Vec<u8>) -> Result<Exec, SshError> {
        let late = |_| SshError::TimedOut {
            host: self.host.clone(),
            after: OPEN,
        };
        let channel = timeout(OPEN, self.handle.channel_open_session())
            .await
            .map_err(late)?
            .map_err(|e| self.broken(&e))?;
        timeout(OPEN, channel.exec(true, command))
            .await
            .map_err(late)?
            .map_err(|e| self.broken(&e))?;
        let (read, write) = channel.split();
        // Written beside the reading: a command that prints before it has read everything would block both sides.
        tokio::spawn(async move {
            let mut writer = write.make_writer();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut writer, &input).await;
            let _ = write.eof().await;
        });
        Ok(Exec {
            channel: read,
            host: self.host.clone(),
            code: None,
        })
    }

    /// Runs a command to its end, which must come in time.
    pub async fn run(&self, command: &str, input: Vec<u8>, within: Duration) -> Result<Output, SshError> {
        timeout(within, async {
            let mut exec = self.start(command, input).await?;
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            while let Some(piece) = exec.next().await? {
                match piece {
                    Piece::Out(bytes) => keep(&mut stdout, &bytes),
                    Piece::Err(bytes) => keep(&mut stderr, &bytes),
                }
            }
            Ok(Output {
                code: exec.code(),
                stdout: String::from_utf8_lossy(&stdout).into_owned(),
                stderr: String::from_utf8_lossy(&stderr).into_owned(),
            })
        })
        .await
        .unwrap_or_else(|_| {
            Err(SshError::TimedOut {
                host: self.host.clone(),
                after: within,
            })
        })
    }
}

fn keep(all: &mut Vec<u8>, more: &[u8]) {
    let room = KEPT.saturating_sub(all.len()).min(more.len());
    all.extend_from_slice(&more[..room]);
}

impl Exec {
    /// The next piece; none once the command has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, SshError> {
        loop {
            match self.channel.wait().await {
                Some(ChannelMsg::Data { data }) => return Ok(Some(Piece::Out(data.to_vec()))),
                Some(ChannelMsg::ExtendedData { data, .. }) => return Ok(Some(Piece::Err(data.to_vec()))),
                Some(ChannelMsg::ExitStatus { exit_status }) => self.code = Some(exit_status),
                Some(ChannelMsg::ExitSignal { .. }) => self.code = Some(255),
                Some(ChannelMsg::Failure) => {
                    return Err(SshError::Broken {
                        host: self.host.clone(),
                        reason: "the machine refused to run a command".to_owned(),
                    });
                }
                Some(_) => {}
                None if self.code.is_none() => {
                    return Err(SshError::Broken {
                        host: self.host.clone(),
                        reason: "the connection ended before the command did".to_owned(),
                    });
                }
                None => return Ok(None),
            }
        }
    }

    /// The exit code, once the command has ended.
    pub(crate) fn code(&self) -> u32 {
        self.code.unwrap_or(255)
    }
}
