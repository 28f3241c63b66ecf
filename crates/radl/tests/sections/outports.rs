//! `outports`.

use crate::table;
use im_radl::{OutPort, Protocol, parse_outports};

#[test]
fn forms() {
    use Protocol::{Icmp, Tcp, Udp};
    for (text, cidr, protocol, remote, local, range) in [
        ("22", "0.0.0.0/0", Tcp, (22, 22), 22, false),
        ("22/udp", "0.0.0.0/0", Udp, (22, 22), 22, false),
        ("8/icmp", "0.0.0.0/0", Icmp, (8, 8), 8, false),
        ("22-2222", "0.0.0.0/0", Tcp, (22, 22), 2222, false),
        ("22/udp-80", "0.0.0.0/0", Udp, (22, 22), 80, false),
        ("22/tcp-2222/tcp", "0.0.0.0/0", Tcp, (22, 22), 2222, false),
        ("22-2222/tcp", "0.0.0.0/0", Tcp, (22, 22), 2222, false),
        ("1:10/tcp", "0.0.0.0/0", Tcp, (1, 10), 1, true),
        ("10.0.0.0/8-22", "10.0.0.0/8", Tcp, (22, 22), 22, false),
        ("8.0.0.0/24-1:10/udp", "8.0.0.0/24", Udp, (1, 10), 1, true),
        ("10.0.0.0/8-22/udp-53/udp", "10.0.0.0/8", Udp, (22, 22), 53, false),
        ("1:10-5", "0.0.0.0/0", Tcp, (1, 10), 1, true),
        ("80-1:10", "0.0.0.0/0", Tcp, (80, 80), 1, false),
    ] {
        let port = parse_outports(text).unwrap().remove(0);
        let OutPort {
            remote: seen,
            local: inside,
            ..
        } = port;
        assert_eq!(
            (port.cidr.as_str(), port.protocol, port.range),
            (cidr, protocol, range),
            "{text}"
        );
        assert_eq!(((seen.first, seen.last), inside.first), (remote, local), "{text}");
    }
    assert_eq!(parse_outports("22,80/udp,1:2").unwrap().len(), 3);
}

#[test]
fn checks() {
    let rows = [
        ("one", "22", ""),
        ("many", "22,80-8080,10.0.0.0/8-5000:5010/udp", ""),
        ("none", "", "R0110"),
        ("blanks", "22, 80", "R0110"),
        ("an empty one", "22,,80", "R0110"),
        ("a trailing comma", "22,", "R0110"),
        ("a name", "ssh", "R0110"),
        ("two protocols", "22-80/udp", "R0110"),
        ("another protocol", "22/sctp", "R0110"),
        ("capitals", "22/TCP", "R0110"),
        ("three sides", "1-2-3", "R0110"),
        ("a range without an end", "1:", "R0110"),
        ("addresses of version 6", "::/0-22", "R0110"),
        ("addresses alone", "10.0.0.0/8", "R0110"),
        ("a long octet", "1000.0.0.0/8-22", "R0110"),
        ("a large port", "99999", "R0908"),
        ("a range the wrong way round", "10:1", "R0908"),
        ("a side behind a range", "1:10-5", "R0908"),
        ("a side behind a range with addresses", "10.0.0.0/8-1:10/udp-5", "R0908"),
        ("a range behind a port", "80-1:10", "R0908"),
        ("an octet that is none", "300.0.0.0/8-22", "R0908"),
        ("a mask that is none", "10.0.0.0/99-22", "R0908"),
        ("other characters for points", "10x0y0z0/8-22", "R0908"),
    ];
    let rows: Vec<_> = rows
        .map(|(rule, ports, codes)| (rule, format!("network n (outports = '{ports}')"), codes))
        .to_vec();
    let rows: Vec<_> = rows
        .iter()
        .map(|(rule, text, codes)| (*rule, text.as_str(), *codes))
        .collect();
    table(&rows);
    table(&[
        ("a number", "network n (outports = 22)", "R0103"),
        ("a list", "network n (outports = ['22'])", "R0103"),
    ]);
}
