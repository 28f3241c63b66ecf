//! The `host` of an auth line: `[scheme://]server[:port][/path]`, `unix://` sockets and IPv6 literals included.

use std::net::Ipv6Addr;
use thiserror::Error;

/// A parsed `host`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Scheme as typed; empty when there is none.
    pub protocol: String,
    /// Name or address; an IPv6 address in its brackets. Empty for sockets.
    pub server: String,
    /// Port, when given.
    pub port: Option<u16>,
    /// Path as typed; of a socket, its absolute path.
    pub path: String,
}

/// What is wrong with a `host`. Never repeats it: user-info may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HostError {
    /// Nothing where the server should be.
    #[error("the server's name is missing; write [scheme://]server[:port][/path]")]
    NoServer,
    /// Not a port.
    #[error("the port must be a number from 1 to 65535")]
    BadPort,
    /// Not an IPv6 address, or the bracket is not closed.
    #[error("an IPv6 address is written in brackets: [2001:db8::1]:5000")]
    BadAddress,
    /// Characters that no host name has.
    #[error("the server's name has characters that no host name has")]
    BadName,
    /// `user:password@`.
    #[error("user and password do not belong in it; use the keys username and password")]
    UserInfo,
    /// `unix://` and nothing.
    #[error("the socket's path is missing; write unix:///path/to/socket")]
    NoSocket,
    /// Not a scheme.
    #[error("what is before :// is not a scheme")]
    BadScheme,
}

impl Host {
    /// Reads a `host`; an empty text is no host at all and gives the default.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let (protocol, rest) = match text.split_once("://") {
            Some((scheme, rest)) => {
                let mut chars = scheme.chars();
                let good = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
                    && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
                if !good {
                    return Err(HostError::BadScheme);
                }
                (scheme.to_owned(), rest)
            }
            None => (String::new(), text),
        };
        if protocol.eq_ignore_ascii_case("unix") {
            // Two slashes and three mean the same: a socket's path is absolute.
            let path = rest.trim_start_matches('/');
            if path.is_empty() || path.contains(|c: char| c.is_control()) {
                return Err(HostError::NoSocket);
            }
            return Ok(Self {
                protocol,
                path: format!("/{path}"),
                ..Self::default()
            });
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(HostError::UserInfo);
        }
        let (server, port) = server_and_port(authority)?;
        Ok(Self {
            protocol,
            server: server.to_owned(),
            port,
            path: path.to_owned(),
        })
    }

    /// The port that is dialled: the one given, or the scheme's (80 without scheme).
    pub fn effective_port(&self) -> u16 {
        effective_port(&self.protocol, self.port)
    }
}

pub(crate) fn effective_port(protocol: &str, port: Option<u16>) -> u16 {
    port.unwrap_or(if protocol.eq_ignore_ascii_case("https") {
        443
    } else {
        80
    })
}

fn server_and_port(authority: &str) -> Result<(&str, Option<u16>), HostError> {
    let (server, port) = if authority.starts_with('[') {
        let end = authority.find(']').ok_or(HostError::BadAddress)? + 1;
        let (server, rest) = authority.split_at(end);
        server[1..end - 1]
            .parse::<Ipv6Addr>()
            .map_err(|_| HostError::BadAddress)?;
        match rest.strip_prefix(':') {
            Some(port) => (server, Some(port)),
            None if rest.is_empty() => (server, None),
            None => return Err(HostError::BadAddress),
        }
    } else {
        match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(HostError::BadAddress),
            Some((server, port)) => (server, Some(port)),
            None => (authority, None),
        }
    };
    if server.is_empty() {
        return Err(HostError::NoServer);
    }
    let known = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !server.starts_with('[') && !server.chars().all(known) {
        return Err(HostError::BadName);
    }
    let port = match port {
        None => None,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|p| *p != 0).ok_or(HostError::BadPort)?)
        }
        Some(_) => return Err(HostError::BadPort),
    };
    Ok((server, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(protocol: &str, server: &str, port: Option<u16>, path: &str) -> Host {
        Host {
            protocol: protocol.into(),
            server: server.into(),
            port,
            path: path.into(),
        }
    }

    #[test]
    fn forms() {
        for (text, wanted) in [
            ("", Ok(Host::default())),
            ("one.org", Ok(host("", "one.org", None, ""))),
            ("one.org:2633", Ok(host("", "one.org", Some(2633), ""))),
            ("one.org:2633/RPC2", Ok(host("", "one.org", Some(2633), "/RPC2"))),
            ("https://k:6443/v3/", Ok(host("https", "k", Some(6443), "/v3/"))),
            ("http://10.0.0.1", Ok(host("http", "10.0.0.1", None, ""))),
            (
                "http://[2001:db8::1]:5000/v3",
                Ok(host("http", "[2001:db8::1]", Some(5000), "/v3")),
            ),
            ("[::1]", Ok(host("", "[::1]", None, ""))),
            (
                "unix:///var/run/docker.sock",
                Ok(host("unix", "", None, "/var/run/docker.sock")),
            ),
            (
                "unix://var/run/docker.sock",
                Ok(host("unix", "", None, "/var/run/docker.sock")),
            ),
            ("unix://", Err(HostError::NoSocket)),
            ("https://h:abc", Err(HostError::BadPort)),
            ("h:", Err(HostError::BadPort)),
            ("h:0", Err(HostError::BadPort)),
            ("h:65536", Err(HostError::BadPort)),
            ("h:+80", Err(HostError::BadPort)),
            ("http://", Err(HostError::NoServer)),
            (":80", Err(HostError::NoServer)),
            ("::1", Err(HostError::BadAddress)),
            ("http://[::1", Err(HostError::BadAddress)),
            ("http://[::1]x", Err(HostError::BadAddress)),
            ("http://u:p@h", Err(HostError::UserInfo)),
            ("h h", Err(HostError::BadName)),
            ("h?x", Err(HostError::BadName)),
            ("://h", Err(HostError::BadScheme)),
        ] {
            assert_eq!(Host::parse(text), wanted, "{text}");
        }
    }
}
