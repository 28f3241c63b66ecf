//! Which peers may say, in `X-Forwarded-*`, how the client reached us. Pure.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Peers whose `X-Forwarded-*` headers are believed: addresses, ranges, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Range>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    address: IpAddr,
    bits: u8,
}

/// An entry that is neither an address nor a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{entry:?} is neither an address nor a range: write a list such as `127.0.0.1, ::1, 10.0.0.0/8`, or `*` for all"
)]
pub struct TrustedProxiesError {
    /// The entry.
    pub entry: String,
}

impl Default for TrustedProxies {
    /// Those on this machine.
    fn default() -> Self {
        Self(vec![
            Range {
                address: Ipv4Addr::LOCALHOST.into(),
                bits: 32,
            },
            Range {
                address: Ipv6Addr::LOCALHOST.into(),
                bits: 128,
            },
        ])
    }
}

impl TrustedProxies {
    /// Nobody.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether this peer is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|range| range.contains(peer))
    }
}

impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut ranges = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            if entry == "*" {
                ranges.push(Range {
                    address: Ipv4Addr::UNSPECIFIED.into(),
                    bits: 0,
                });
                ranges.push(Range {
                    address: Ipv6Addr::UNSPECIFIED.into(),
                    bits: 0,
                });
                continue;
            }
            ranges.push(Range::parse(entry).ok_or_else(|| TrustedProxiesError {
                entry: entry.to_owned(),
            })?);
        }
        Ok(Self(ranges))
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{}/{}", range.address, range.bits)?;
        }
        Ok(())
    }
}

impl Range {
    fn parse(entry: &str) -> Option<Self> {
        let (address, bits) = match entry.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (entry, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        (bits <= all).then_some(Self { address, bits })
    }

    fn contains(&self, peer: IpAddr) -> bool {
        match (self.address, peer) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(a).checked_shr(shift) == u32::from(b).checked_shr(shift)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let shift = 128 - u32::from(self.bits);
                u128::from(a).checked_shr(shift) == u128::from(b).checked_shr(shift)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(list: &str, peer: &str) -> bool {
        list.parse::<TrustedProxies>().unwrap().trusts(peer.parse().unwrap())
    }

    #[test]
    fn addresses_ranges_and_all() {
        assert!(trusts("10.0.0.0/8", "10.1.2.3"));
        assert!(!trusts("10.0.0.0/8", "11.1.2.3"));
        assert!(trusts("10.0.0.7", "::ffff:10.0.0.7"));
        assert!(trusts("*", "2001:db8::1"));
        assert!(trusts("*", "192.0.2.1"));
        assert!(trusts("2001:db8::/32", "2001:db8:1::1"));
        assert!(!trusts("2001:db8::/32", "2001:db9::1"));
        assert!(!trusts("", "127.0.0.1"));
        assert!(TrustedProxies::default().trusts("::1".parse().unwrap()));
    }

    #[test]
    fn says_what_is_wrong() {
        for bad in ["proxy", "10.0.0.0/33", "10.0.0.0/-1", "1.2.3.4.5", "/8"] {
            let error = bad.parse::<TrustedProxies>().unwrap_err();
            assert!(error.to_string().contains("127.0.0.1, ::1"), "{error}");
        }
    }
}
