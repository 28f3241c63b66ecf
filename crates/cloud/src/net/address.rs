//! What kind of address an IP address is, seen through the IPv6 forms that carry an IPv4 address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What an address stands for, as far as the policy cares. Ordered from harmless to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressClass {
    /// Anything else: the internet.
    Public,
    /// RFC 1918, shared (100.64/10), benchmarking (198.18/15), IETF (192.0.0/24), unique local and site local IPv6.
    Private,
    /// An address of the machine that the service runs on. Only the kernel can tell: see `Guard`.
    Own,
    /// Reserved for the future, broadcast.
    Reserved,
    /// A group of hosts.
    Multicast,
    /// "This host": connecting reaches the machine itself.
    Unspecified,
    /// 169.254/16, `fe80::/10`.
    LinkLocal,
    /// Where clouds give machines their credentials.
    Metadata,
    /// The machine itself.
    Loopback,
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Private => "a private address",
            Self::Own => "an address of the service's own host",
            Self::Reserved => "a reserved address",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "an unspecified address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud metadata address",
            Self::Loopback => "a loopback address",
        })
    }
}

/// The class of an address. Of an IPv6 address that carries an IPv4 one, the worse of the two.
pub fn classify(ip: IpAddr) -> AddressClass {
    match ip {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => embedded(v6).map(classify_v4).fold(classify_v6(v6), std::cmp::Ord::max),
    }
}

/// Metadata services outside the link-local range: Alibaba, Oracle, Azure's wire server.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

fn classify_v4(ip: Ipv4Addr) -> AddressClass {
    let o = ip.octets();
    if ip.is_loopback() {
        AddressClass::Loopback
    } else if METADATA_V4.contains(&ip) || ip == Ipv4Addr::new(169, 254, 169, 254) {
        AddressClass::Metadata
    } else if ip.is_link_local() {
        AddressClass::LinkLocal
    } else if o[0] == 0 {
        AddressClass::Unspecified
    } else if ip.is_multicast() {
        AddressClass::Multicast
    } else if o[0] >= 240 {
        AddressClass::Reserved
    } else if ip.is_private()
        || (o[0] == 100 && o[1] & 0xc0 == 64)
        || (o[0] == 198 && o[1] & 0xfe == 18)
        || (o[0] == 192 && o[1] == 0 && o[2] == 0)
    {
        AddressClass::Private
    } else {
        AddressClass::Public
    }
}

fn classify_v6(ip: Ipv6Addr) -> AddressClass {
    let s = ip.segments();
    if ip.is_loopback() {
        AddressClass::Loopback
    } else if ip.is_unspecified() {
        AddressClass::Unspecified
    } else if ip.is_multicast() {
        AddressClass::Multicast
    } else if s == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] || s == [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] {
        // EC2 and GCE
        AddressClass::Metadata
    } else if s[..4] == [0x100, 0, 0, 0] {
        // Discard-only
        AddressClass::Reserved
    } else if s[0] & 0xffc0 == 0xfe80 {
        AddressClass::LinkLocal
    } else if s[0] & 0xfe00 == 0xfc00 || s[0] & 0xffc0 == 0xfec0 || (s[0] == 0x64 && s[1] == 0xff9b && s[2] == 1) {
        AddressClass::Private
    } else {
        AddressClass::Public
    }
}

/// The IPv4 addresses that an address carries in IPv6 form.
pub(super) fn carried(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let v6 = match ip {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => Some(v6),
    };
    v6.into_iter().flat_map(embedded).map(IpAddr::V4)
}

/// The IPv4 addresses that an IPv6 address carries: mapped, compatible, NAT64 (both prefixes, the local one in each
/// length of RFC 6052), 6to4, Teredo, ISATAP.
fn embedded(ip: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let last = v4(s[6], s[7]);
    let ends_in_v4 = s[..5] == [0; 5] && (s[5] == 0xffff || (s[5] == 0 && u32::from(last) > 1)) // mapped, compatible
        || (s[..4] == [0; 4] && s[4] == 0xffff && s[5] == 0) // translated (RFC 2765)
        || (s[0] == 0x64 && s[1] == 0xff9b) // NAT64
        || (s[4] & 0xfdff == 0 && s[5] == 0x5efe); // ISATAP
    let teredo = s[0] == 0x2001 && s[1] == 0;
    let local_nat64 = s[0] == 0x64 && s[1] == 0xff9b && s[2] == 1;
    let o = ip.octets();
    // With a prefix of 48, 56 and 64 bits; octet 8 is skipped. Zeros are where nothing is carried at that length.
    let shorter = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12]]
        .map(|at| at.map(|i| o[i]))
        .map(|octets| (local_nat64 && octets[0] != 0).then(|| Ipv4Addr::from(octets)));
    [
        ends_in_v4.then_some(last),
        (s[0] == 0x2002).then(|| v4(s[1], s[2])),
        teredo.then(|| v4(!s[6], !s[7])),
        teredo.then(|| v4(s[2], s[3])),
        shorter[0],
        shorter[1],
        shorter[2],
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::{AddressClass::*, *};

    #[test]
    fn every_form_of_an_address_is_seen_through() {
        for (text, class) in [
            ("8.8.8.8", Public),
            ("2a00:1450::1", Public),
            ("2002:0808:0808::1", Public),
            ("10.1.2.3", Private),
            ("172.31.0.1", Private),
            ("192.168.0.1", Private),
            ("100.64.0.1", Private),
            ("fd12::1", Private),
            ("fec0::1", Private),
            ("64:ff9b:1::808:808", Private),
            ("127.0.0.1", Loopback),
            ("127.255.0.9", Loopback),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("::127.0.0.1", Loopback),
            ("::ffff:0:127.0.0.1", Loopback),
            ("64:ff9b::7f00:1", Loopback),
            ("64:ff9b:1::7f00:1", Loopback),
            ("64:ff9b:1:7f00:0:100::", Loopback),
            ("64:ff9b:1:a9:fe:a9fe::", Metadata),
            ("64:ff9b:1:0:a9:fea9:fe00::", Metadata),
            ("100::1", Reserved),
            ("2002:7f00:1::", Loopback),
            ("2001:0:7f00:1::", Loopback),
            ("2001:0:808:808:0:0:80ff:fffe", Loopback),
            ("2a00::5efe:7f00:1", Loopback),
            ("fe80::1", LinkLocal),
            ("169.254.1.1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("::ffff:169.254.169.254", Metadata),
            ("64:ff9b::a9fe:a9fe", Metadata),
            ("fd00:ec2::254", Metadata),
            ("100.100.100.200", Metadata),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("::", Unspecified),
            ("::ffff:0.0.0.0", Unspecified),
            ("224.0.0.1", Multicast),
            ("ff02::1", Multicast),
            ("255.255.255.255", Reserved),
            ("240.0.0.1", Reserved),
        ] {
            let ip: IpAddr = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(classify(ip), class, "{text}");
        }
    }
}
