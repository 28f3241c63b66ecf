//! `im ssh`: logs in to a machine with the credentials that its description holds, by the system's own `ssh`.
//!
//! A password never becomes an argument: `ssh` asks this very program for it (as its "askpass"), which reads it from
//! its environment. Host keys are kept per machine and a changed one is refused. A machine that has no public address
//! is reached through machine 0, as the machines' private addresses mean nothing here.

use crate::cli::{
    api,
    client::Client,
    error::{CliError, Exit},
    machine::{Login, Machine},
    settings,
};
use im_model::Secret;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Says which environment variables hold passwords, and that this program is asked for one.
const ASKED: &str = "IM_ASKPASS_FOR";
/// Before the number of a password.
const PASSWORD: &str = "IM_ASKPASS_PASSWORD_";

/// Answers `ssh` when it asks for a password; `None` when this is an ordinary start.
pub(crate) fn answer_as_askpass() -> Option<ExitCode> {
    let accounts = std::env::var(ASKED).ok()?;
    let prompt = std::env::args().nth(1).unwrap_or_default();
    // `root@im-ID-0's password: `, or `(root@im-ID-0) Password: `: ssh names the alias of the host.
    let number = accounts.split('\n').position(|account| {
        prompt.starts_with(&format!("{account}'s password")) || prompt.starts_with(&format!("({account})"))
    });
    let Some(number) = number else {
        return Some(ExitCode::FAILURE);
    };
    let Ok(password) = std::env::var(format!("{PASSWORD}{number}")) else {
        return Some(ExitCode::FAILURE);
    };
    let written = writeln!(std::io::stdout().lock(), "{password}");
    Some(if written.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// `im ssh`.
pub(crate) async fn ssh(client: &Client, typed: &str, number: u32, command: &[String]) -> Result<Exit, CliError> {
    let id = api::resolve(client, typed).await?;
    let machine = Machine::read(number, &api::vm(client, &id, number).await?);
    let mut hops = vec![hop(&machine, &id)?];
    if machine.public.is_empty() && number != 0 {
        let front = Machine::read(0, &api::vm(client, &id, 0).await?);
        hops.push(hop(&front, &id)?);
    }
    let folder =
        tempfile::tempdir().map_err(|e| CliError::new(Exit::Failed, "cannot make a folder for the keys").cause(e))?;
    let known = known_hosts(&id)?;
    let call = Call::new(&hops, command, folder.path(), &known)?;
    let program = std::env::current_exe()
        .map_err(|e| CliError::new(Exit::Failed, "cannot tell where this program is").cause(e))?;
    let mut ssh = tokio::process::Command::new("ssh");
    ssh.args(&call.arguments);
    if !call.passwords.is_empty() {
        let accounts: Vec<&str> = call.passwords.iter().map(|(account, _)| account.as_str()).collect();
        ssh.env(ASKED, accounts.join("\n"))
            .env("SSH_ASKPASS", program)
            .env("SSH_ASKPASS_REQUIRE", "force");
        for (number, (_, password)) in call.passwords.iter().enumerate() {
            ssh.env(format!("{PASSWORD}{number}"), password.expose());
        }
    }
    let mut child = ssh.spawn().map_err(|e| {
        let error = CliError::new(Exit::Failed, "cannot start `ssh`").cause(&e);
        match e.kind() {
            std::io::ErrorKind::NotFound => error.hint("install it, on Debian with `apt install openssh-client`"),
            _ => error,
        }
    })?;
    // Ctrl-C is for the machine at the other end; this program stays until `ssh` has ended, then removes the keys.
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let status = status.map_err(|e| CliError::new(Exit::Failed, "cannot wait for `ssh`").cause(e))?;
    match status.code() {
        Some(0) => Ok(Exit::Ok),
        // ssh's own failure; what it said is on the screen.
        Some(255) => Err(CliError::new(Exit::Failed, format!("cannot log in to vm {number}"))
            .hint(format!("`im show {id}` shows its state and addresses"))),
        // It said on the screen what it had to say.
        code => Ok(Exit::Remote(code.and_then(|c| u8::try_from(c).ok()).unwrap_or(1))),
    }
}

/// One machine to log in to.
struct Hop {
    login: Login,
    user: String,
    host: String,
    port: u16,
    /// Name under which its host key is kept.
    alias: String,
}

fn hop(machine: &Machine, id: &str) -> Result<Hop, CliError> {
    let number = machine.number;
    let login = machine.login.clone();
    let (host, port) = match (machine.public.first(), machine.private.first()) {
        (Some(host), _) => (host, login.port),
        (None, Some(host)) => (host, 22),
        (None, None) => {
            return Err(
                CliError::new(Exit::Failed, format!("vm {number} has no address")).hint(format!(
                    "`im show {id}` shows its state; `im log {id} {number}` what happened"
                )),
            );
        }
    };
    let user = login.user.clone().unwrap_or_else(|| "root".to_owned());
    // What a cloud or a document says must not become an option or another argument of `ssh`.
    let plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-:+".contains(c))
    };
    for (what, text) in [("address", host), ("user", &user)] {
        if !plain(text) {
            return Err(
                CliError::new(Exit::Failed, format!("the {what} of vm {number} is not one")).cause(format!("{text:?}")),
            );
        }
    }
    if login.proxy.is_some() {
        return Err(
            CliError::new(Exit::Failed, format!("vm {number} is behind a proxy host"))
                .cause("this version cannot log in through one"),
        );
    }
    Ok(Hop {
        host: host.clone(),
        port,
        user,
        alias: format!("im-{id}-{number}"),
        login,
    })
}

/// The call of `ssh`.
struct Call {
    arguments: Vec<String>,
    passwords: Vec<(String, Secret)>,
}

impl Call {
    fn new(hops: &[Hop], command: &[String], folder: &Path, known: &Path) -> Result<Self, CliError> {
        let mut call = Self {
            arguments: Vec::new(),
            passwords: Vec::new(),
        };
        let Some((target, through)) = hops.split_first() else {
            return Err(CliError::new(Exit::Failed, "there is no machine to log in to"));
        };
        let mut arguments = call.options(target, 0, folder, known)?;
        if let Some(front) = through.first() {
            let options = call.options(front, 1, folder, known)?;
            let quoted: Vec<String> = options.iter().map(|o| shell_quoted(o)).collect();
            arguments.push("-o".to_owned());
            arguments.push(format!(
                "ProxyCommand=ssh {} -W '[%h]:%p' {}@{}",
                quoted.join(" "),
                front.user,
                front.host
            ));
        }
        arguments.push(format!("{}@{}", target.user, target.host));
        arguments.extend(command.iter().cloned());
        call.arguments = arguments;
        Ok(call)
    }

    fn options(&mut self, hop: &Hop, number: usize, folder: &Path, known: &Path) -> Result<Vec<String>, CliError> {
        let mut options = vec!["-p".to_owned(), hop.port.to_string()];
        let mut set = |text: String| options.extend(["-o".to_owned(), text]);
        set(format!("HostKeyAlias={}", hop.alias));
        set(format!("UserKnownHostsFile=\"{}\"", known.display()));
        set("StrictHostKeyChecking=accept-new".to_owned());
        set("LogLevel=ERROR".to_owned());
        set("ConnectTimeout=20".to_owned());
        // The user's own keys and agent are nobody's business over there.
        set("IdentityAgent=none".to_owned());
        set("IdentitiesOnly=yes".to_owned());
        match &hop.login.private_key {
            Some(key) => {
                let path = folder.join(format!("key-{number}"));
                write_private(&path, key)?;
                set(format!("IdentityFile=\"{}\"", path.display()));
            }
            None => set("PubkeyAuthentication=no".to_owned()),
        }
        if let Some(password) = &hop.login.password {
            set("NumberOfPasswordPrompts=1".to_owned());
            self.passwords
                .push((format!("{}@{}", hop.user, hop.alias), password.clone()));
        }
        Ok(options)
    }
}

fn shell_quoted(text: &str) -> String {
    // `%` would be a token of ProxyCommand.
    format!("'{}'", text.replace('%', "%%").replace('\'', r"'\''"))
}

fn write_private(path: &Path, key: &Secret) -> Result<(), CliError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let text = key.expose().trim_end();
    options
        .open(path)
        .and_then(|mut file| writeln!(file, "{text}"))
        .map_err(|e| CliError::new(Exit::Failed, "cannot write the key of the machine").cause(e))
}

/// `~/.cache/im/known_hosts/<id>`: the machines' numbers are never reused, so a key that changes is not ours.
fn known_hosts(id: &str) -> Result<PathBuf, CliError> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(|| settings::home().map(|h| h.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("im")
        .join("known_hosts");
    fs::create_dir_all(&cache).map_err(|e| {
        CliError::new(
            Exit::Failed,
            format!("cannot make the folder `{}` for host keys", cache.display()),
        )
        .cause(e)
    })?;
    let name: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    Ok(cache.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn machine(number: u32, system: &serde_json::Value) -> Machine {
        Machine::read(
            number,
            &json!([{"class": "network", "id": "pub", "outbound": "yes", "outports": "40000-22"},
            {"class": "network", "id": "net"}, system]),
        )
    }

    fn front() -> Machine {
        machine(
            0,
            &json!({"class": "system", "id": "front", "net_interface.0.connection": "net", "net_interface.0.ip": "10.0.0.2",
            "net_interface.1.connection": "pub", "net_interface.1.ip": "127.0.0.1",
            "disk.0.os.credentials.username": "root", "disk.0.os.credentials.password": "s3cret"}),
        )
    }

    fn worker(ip: &str, user: &str) -> Machine {
        machine(
            1,
            &json!({"class": "system", "id": "worker", "net_interface.0.connection": "net", "net_interface.0.ip": ip,
            "disk.0.os.credentials.username": user, "disk.0.os.credentials.private_key": "KEY\n"}),
        )
    }

    #[test]
    fn through_the_front() {
        let folder = tempfile::tempdir().unwrap();
        let hops = [
            hop(&worker("10.0.0.3", "cloudadm"), "abc").unwrap(),
            hop(&front(), "abc").unwrap(),
        ];
        let command = ["uname".to_owned(), "-a".to_owned()];
        let call = Call::new(&hops, &command, folder.path(), Path::new("/k h")).unwrap();
        let text = call.arguments.join("\n");
        assert!(text.ends_with("cloudadm@10.0.0.3\nuname\n-a"), "{text}");
        assert!(text.contains("-W '[%h]:%p' root@127.0.0.1"), "{text}");
        assert!(
            text.contains("'-p' '40000'") && text.contains("UserKnownHostsFile=\"/k h\""),
            "{text}"
        );
        assert!(!text.contains("s3cret") && !text.contains("KEY"), "{text}");
        assert_eq!(call.passwords[0].0, "root@im-abc-0");
        assert_eq!(fs::read_to_string(folder.path().join("key-0")).unwrap(), "KEY\n");
    }

    #[test]
    fn what_is_no_address_becomes_no_argument() {
        for (ip, user) in [
            ("-oProxyCommand=x", "root"),
            ("10.0.0.1", "-l"),
            ("a b", "root"),
            ("$(x)", "root"),
        ] {
            assert!(hop(&worker(ip, user), "abc").is_err(), "{ip} {user}");
        }
        assert!(hop(&machine(4, &json!({"class": "system", "id": "x"})), "abc").is_err());
        assert!(hop(&worker("fe80::1", "root"), "abc").is_ok());
    }
}
