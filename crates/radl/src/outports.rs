//! `outports`: which ports of a network's VMs are reachable from outside, and how that is written.

use std::fmt::{self, Display, Formatter};
use thiserror::Error;

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP: the "port" is a type.
    Icmp,
}

impl Protocol {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }
}

impl Display for Protocol {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
}

impl PortRange {
    /// One port.
    pub fn one(port: u32) -> Self {
        Self {
            first: port,
            last: port,
        }
    }

    /// Whether the port lies in it.
    pub fn contains(self, port: u32) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// One entry of `outports`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutPort {
    /// Who may come in.
    pub cidr: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The ports outside.
    pub remote: PortRange,
    /// The ports of the VM: those outside where a range is opened, else one port.
    pub local: PortRange,
    /// Whether it was written as a range.
    pub range: bool,
}

/// Everybody.
pub const ANYWHERE: &str = "0.0.0.0/0";

impl OutPort {
    /// One port, the same on both sides, open to everybody.
    pub fn port(port: u32, protocol: Protocol) -> Self {
        Self::mapped(port, port, protocol)
    }

    /// One port outside, another one in the VM, open to everybody.
    pub fn mapped(remote: u32, local: u32, protocol: Protocol) -> Self {
        Self {
            cidr: ANYWHERE.to_owned(),
            protocol,
            remote: PortRange::one(remote),
            local: PortRange::one(local),
            range: false,
        }
    }

    /// Whether everybody may come in.
    pub fn is_open(&self) -> bool {
        self.cidr == ANYWHERE
    }
}

impl Display for OutPort {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.is_open() {
            write!(f, "{}-", self.cidr)?;
        }
        let Self {
            protocol,
            remote,
            local,
            ..
        } = self;
        if self.range {
            write!(f, "{}:{}/{protocol}", remote.first, remote.last)
        } else {
            write!(f, "{}/{protocol}-{}/{protocol}", remote.first, local.first)
        }
    }
}

/// Why `outports` cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OutPortsError {
    /// An entry is not of the form.
    #[error("`{0}` is not of the form `[CIDR-]PORT[:PORT][/PROTOCOL][-PORT[/PROTOCOL]]`")]
    Form(String),
    /// An entry names two protocols.
    #[error("`{0}` names two protocols: {1} outside and {2} in the VM")]
    Protocols(String, Protocol, Protocol),
}

/// Reads the entries, separated by commas.
pub fn parse_outports(text: &str) -> Result<Vec<OutPort>, OutPortsError> {
    text.split(',').map(entry).collect()
}

/// Writes the entries as [`parse_outports`] reads them.
pub fn print_outports(ports: &[OutPort]) -> String {
    let entries: Vec<_> = ports.iter().map(ToString::to_string).collect();
    entries.join(",")
}

struct Side {
    ports: PortRange,
    range: bool,
    protocol: Option<Protocol>,
}

fn entry(text: &str) -> Result<OutPort, OutPortsError> {
    let form = || OutPortsError::Form(text.to_owned());
    let (cidr, rest) = cidr(text).unwrap_or((ANYWHERE, text));
    let mut sides = rest.splitn(2, '-').map(side);
    let remote = sides.next().flatten().ok_or_else(form)?;
    let local = match sides.next() {
        Some(side) => Some(side.ok_or_else(form)?),
        None => None,
    };
    let protocol = remote.protocol.unwrap_or(Protocol::Tcp);
    if let Some(other) = local
        .as_ref()
        .and_then(|local| local.protocol)
        .filter(|other| *other != protocol)
    {
        return Err(OutPortsError::Protocols(text.to_owned(), protocol, other));
    }
    Ok(OutPort {
        cidr: cidr.to_owned(),
        protocol,
        remote: remote.ports,
        local: match local {
            Some(local) if !remote.range => PortRange::one(local.ports.first),
            _ => remote.ports,
        },
        range: remote.range,
    })
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// The CIDR at the front and what follows its `-`.
fn cidr(text: &str) -> Option<(&str, &str)> {
    let mut at = 0;
    for group in 0..4 {
        if group > 0 {
            let separator = text[at..].chars().next()?;
            at += separator.len_utf8();
        }
        let len = digits(&text[at..]);
        if !(1..=3).contains(&len) {
            return None;
        }
        at += len;
    }
    let mask = text[at..].strip_prefix('/')?;
    let len = digits(mask);
    if !(1..=2).contains(&len) {
        return None;
    }
    let rest = mask[len..].strip_prefix('-')?;
    Some((&text[..=at + len], rest))
}

fn side(text: &str) -> Option<Side> {
    let (ports, protocol) = match text.split_once('/') {
        Some((ports, "tcp")) => (ports, Some(Protocol::Tcp)),
        Some((ports, "udp")) => (ports, Some(Protocol::Udp)),
        Some((ports, "icmp")) => (ports, Some(Protocol::Icmp)),
        Some(_) => return None,
        None => (text, None),
    };
    let (first, last) = match ports.split_once(':') {
        Some((first, last)) => (port(first)?, Some(port(last)?)),
        None => (port(ports)?, None),
    };
    Some(Side {
        ports: PortRange {
            first,
            last: last.unwrap_or(first),
        },
        range: last.is_some(),
        protocol,
    })
}

fn port(text: &str) -> Option<u32> {
    let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, canonical) in [
            ("22", "22/tcp-22/tcp"),
            ("22/udp", "22/udp-22/udp"),
            ("22-2222", "22/tcp-2222/tcp"),
            ("22/udp-80", "22/udp-80/udp"),
            ("22/tcp-2222/tcp", "22/tcp-2222/tcp"),
            ("1:10/tcp", "1:10/tcp"),
            ("1:10/tcp-5", "1:10/tcp"),
            ("80-1:10", "80/tcp-1/tcp"),
            ("10.0.0.0/8-22", "10.0.0.0/8-22/tcp-22/tcp"),
            ("8.0.0.0/24-1:10/udp", "8.0.0.0/24-1:10/udp"),
            ("8/icmp", "8/icmp-8/icmp"),
            ("99999", "99999/tcp-99999/tcp"),
            (
                "0.0.0.0/0-10000/tcp-10000/tcp,8.0.0.0/24-80/tcp-80/tcp",
                "10000/tcp-10000/tcp,8.0.0.0/24-80/tcp-80/tcp",
            ),
            ("10x0y0z0/8-22", "10x0y0z0/8-22/tcp-22/tcp"),
        ] {
            let ports = parse_outports(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(print_outports(&ports), canonical, "{text}");
            assert_eq!(parse_outports(canonical).unwrap(), ports, "{text}");
        }
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "22,",
            "22 ,80",
            "ssh",
            "22-80/udp",
            "22/sctp",
            "22-",
            "-22",
            "1:",
            ":1",
            "22/tcp/tcp",
            "10.0.0.0/8",
            "1000.0.0.0/8-22",
            "22-33-44",
        ] {
            assert!(parse_outports(text).is_err(), "{text}");
        }
        let error = parse_outports("22-80/udp").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`22-80/udp` names two protocols: tcp outside and udp in the VM"
        );
    }
}
