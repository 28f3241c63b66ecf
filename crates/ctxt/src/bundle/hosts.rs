//! The hosts file of an infrastructure.

use super::{Parts, is_loopback};
use crate::Node;
use std::{fmt::Write as _, net::IpAddr};

/// One line per interface with a requested name; the default name for a first interface without one. An address that
/// means another machine to each machine is never in it: the next best one of the VM takes its place.
pub(super) fn etc_hosts(parts: &Parts<'_>) -> String {
    let options = &parts.spec.options;
    let mut text = String::new();
    let mut line = |ip: IpAddr, name: &crate::DnsName| {
        let line = format!("{ip} {} {}\n", name.fqdn(), name.host);
        if !text.contains(&line) {
            let _ = text.write_str(&line);
        }
    };
    for node in &parts.known {
        let Some(fallback) = usable(node) else { continue };
        let mut first_named = false;
        for interface in &node.interfaces {
            if let Some(name) = &interface.name {
                let ip = interface.ip.filter(|ip| !is_loopback(*ip)).unwrap_or(fallback);
                line(ip, name);
                first_named |= interface.index == 0;
            }
        }
        if !first_named {
            line(fallback, &node.name(&options.default_name, &options.default_domain));
        }
    }
    text
}

/// The first address of a VM under which others can mean it.
fn usable(node: &Node) -> Option<IpAddr> {
    let mut all = node.interfaces.iter().filter_map(|i| i.ip);
    all.find(|ip| !is_loopback(*ip))
        .or_else(|| node.private_ip.filter(|ip| !is_loopback(*ip)))
        .or_else(|| node.public_ip.filter(|ip| !is_loopback(*ip)))
}
