//! `ALLOWED_LOCAL_HOSTS`: which hosts that are refused by default the operator lets tenants name.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

/// The hosts that the operator allows although the policy refuses them.
///
/// Text form: a comma-separated list of `host`, `host:port`, `unix:///path/to/socket` and `*`. A host is a name, an
/// IPv4 address or an IPv6 address in brackets. A name allows what tenants name so, whatever it resolves to; an address
/// allows whatever resolves to it; `*` allows everything, Unix sockets included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    rules: Vec<Rule>,
}

/// Whether a rule without a port will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// It will.
    Any,
    /// The rule must name the port.
    Named,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Everything,
    Name { name: String, port: Option<u16> },
    Address { ip: IpAddr, port: Option<u16> },
    Unix(PathBuf),
}

/// An entry of `ALLOWED_LOCAL_HOSTS` that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "ALLOWED_LOCAL_HOSTS: entry {entry:?}: {reason}; write a list such as `localhost, 127.0.0.1:2375, [::1], \
     unix:///var/run/docker.sock`, or `*` for everything"
)]
pub struct AllowedHostsError {
    /// The entry.
    pub entry: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl AllowedHosts {
    /// Nothing: the default.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, AllowedHostsError> {
        let rules = text
            .split(',')
            .map(str::trim)
            .filter(|e| !e.is_empty())
            .map(|entry| {
                Rule::parse(entry).map_err(|reason| AllowedHostsError {
                    entry: entry.to_owned(),
                    reason,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Whether this address, reached under this name, is allowed; with [`Port::Named`], only by a rule that names the
    /// port, or everything.
    pub(super) fn allows(&self, name: Option<&str>, ip: IpAddr, port: u16, which: Port) -> bool {
        let fits = |wanted: &Option<u16>| match wanted {
            Some(wanted) => *wanted == port,
            None => which == Port::Any,
        };
        self.rules.iter().any(|rule| match rule {
            Rule::Everything => true,
            Rule::Name { name: n, port } => name == Some(n) && fits(port),
            Rule::Address { ip: i, port } => i.to_canonical() == ip.to_canonical() && fits(port),
            Rule::Unix(_) => false,
        })
    }

    /// Whether this socket is allowed. The path is compared as written: a link elsewhere is another path.
    pub(super) fn allows_socket(&self, path: &std::path::Path) -> bool {
        self.rules.iter().any(|rule| match rule {
            Rule::Everything => true,
            Rule::Unix(p) => p == path,
            Rule::Name { .. } | Rule::Address { .. } => false,
        })
    }
}

impl FromStr for AllowedHosts {
    type Err = AllowedHostsError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Rule {
    fn parse(entry: &str) -> Result<Self, &'static str> {
        if entry == "*" {
            return Ok(Self::Everything);
        }
        if let Some(path) = entry.strip_prefix("unix:") {
            return match path.strip_prefix("//").unwrap_or(path) {
                p if !p.starts_with('/') => Err("the path of a socket must be absolute (three slashes after `unix:`)"),
                p if p.split('/').any(|part| part == "..") => Err("`..` is not allowed in the path of a socket"),
                p => Ok(Self::Unix(PathBuf::from(p))),
            };
        }
        if entry.contains("//") {
            return Err("it is a URL, but only the host and the port are wanted");
        }
        if entry.contains('/') {
            return Err("address ranges are not known here; list the addresses");
        }
        if let Ok(ip) = entry.parse() {
            return Ok(Self::Address { ip, port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !entry.ends_with(']') => (
                host,
                Some(
                    port.parse::<u16>()
                        .ok()
                        .filter(|p| *p != 0)
                        .ok_or("the port must be a number from 1 to 65535")?,
                ),
            ),
            _ => (entry, None),
        };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        match (bare.parse(), super::guard::normal_name(bare)) {
            (Ok(ip), _) => Ok(Self::Address { ip, port }),
            (Err(_), Some(name)) => Ok(Self::Name { name, port }),
            (Err(_), None) => Err("it is neither a host name nor an address"),
        }
    }
}

impl fmt::Display for AllowedHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, rule) in self.rules.iter().enumerate() {
            let sep = if i == 0 { "" } else { ", " };
            let with_port = |port: &Option<u16>| port.map_or(String::new(), |p| format!(":{p}"));
            match rule {
                Rule::Everything => write!(f, "{sep}*")?,
                Rule::Name { name, port } => write!(f, "{sep}{name}{}", with_port(port))?,
                Rule::Address {
                    ip: IpAddr::V4(ip),
                    port,
                } => write!(f, "{sep}{ip}{}", with_port(port))?,
                Rule::Address {
                    ip: IpAddr::V6(ip),
                    port,
                } => write!(f, "{sep}[{ip}]{}", with_port(port))?,
                Rule::Unix(path) => write!(f, "{sep}unix://{}", path.display())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_and_prints_it_back() {
        let text = "localhost, node-1.lan:2375, 127.0.0.1, 127.0.0.1:80, [::1], [::1]:443, unix:///var/run/d.sock, *";
        let allowed = AllowedHosts::parse(text).unwrap();
        assert_eq!(allowed.to_string(), text);
        assert_eq!(AllowedHosts::parse(&allowed.to_string()).unwrap(), allowed);
        assert_eq!(AllowedHosts::parse(" , ").unwrap(), AllowedHosts::none());
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part) in [
            ("http://localhost:80", "URL"),
            ("localhost:http", "port"),
            ("localhost:0", "port"),
            ("10.0.0.0/8", "ranges"),
            ("unix://var/run/docker.sock", "absolute"),
            ("unix:///run/../etc/x", ".."),
            ("a b", "neither"),
        ] {
            let error = AllowedHosts::parse(text).unwrap_err();
            assert!(error.reason.contains(part), "{text}: {error}");
            assert_eq!(error.entry, text);
        }
    }

    #[test]
    fn a_rule_with_a_port_allows_that_port_alone() {
        let allowed = AllowedHosts::parse("127.0.0.1:80,name:81").unwrap();
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        for which in [Port::Any, Port::Named] {
            assert!(allowed.allows(None, ip, 80, which));
            assert!(allowed.allows(None, "::ffff:127.0.0.1".parse().unwrap(), 80, which));
            assert!(!allowed.allows(None, ip, 81, which));
            assert!(allowed.allows(Some("name"), ip, 81, which));
            assert!(!allowed.allows(Some("other"), ip, 81, which));
        }
        let all_ports = AllowedHosts::parse("127.0.0.1,name").unwrap();
        for name in [None, Some("name")] {
            assert!(all_ports.allows(name, ip, 80, Port::Any));
            assert!(!all_ports.allows(name, ip, 80, Port::Named));
        }
        assert!(AllowedHosts::parse("*").unwrap().allows(None, ip, 80, Port::Named));
        assert!(!allowed.allows_socket(std::path::Path::new("/x")));
    }
}
